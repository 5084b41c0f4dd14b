"""The courier as a process: notices, readings to InfluxDB, and old rows swept out beside them."""

from __future__ import annotations

import gc
import threading

from courier.channel import Channel
from courier.courier import Courier
from courier.webhook import WebhookChannel
from runtime.housekeeping import keep_tidy
from runtime.installation import CannotStart, Installation
from runtime.mosquitto_certificate import keep_certificate
from runtime.sending import Sending
from runtime.shown_certificate import keep_looking
from runtime.stopping import on_signal

CACHE_MB = 8
"""It reads everything once."""
YOUNG = 20_000
"""Objects between two looks of the collector: a batch of readings is thousands that no cycle holds."""


def run_courier(here: Installation) -> None:
    """Run until SIGINT or SIGTERM."""
    gc.set_threshold(YOUNG, 50, 50)
    settings = here.settings
    stop = threading.Event()
    on_signal(stop.set)
    database = here.database(cache_mb=CACHE_MB)
    channels: list[Channel] = []
    if settings.webhook_url:
        secret = settings.webhook_secret.get_secret_value()
        channels.append(WebhookChannel(settings.webhook_url, secret, here.clock))
    beside = [
        threading.Thread(
            target=keep_tidy,
            args=(database, here.series(), settings, here.clock, stop),
            name="housekeeping",
            daemon=True,
        ),
        threading.Thread(
            target=keep_certificate, args=(here, database, stop), name="certificate", daemon=True
        ),
        threading.Thread(
            target=keep_looking, args=(here, channels, stop), name="shown certificate", daemon=True
        ),
    ]
    for thread in beside:
        thread.start()
    sending = Sending(here, database, channels, stop)
    sending.start()
    try:
        Courier(database, channels, here.clock, base_url=settings.base_url).run(stop)
    finally:
        stop.set()
        sending.join(5.0)
        for thread in beside:
            thread.join(5.0)
        database.close()
    if sending.failed:
        raise CannotStart("Sending readings to InfluxDB has ended; the log says why.")
