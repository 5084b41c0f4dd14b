"""The courier as a process; old rows are swept out beside it."""

from __future__ import annotations

import threading

from courier.courier import Courier
from courier.webhook import WebhookChannel
from runtime.housekeeping import keep_tidy
from runtime.installation import Installation
from runtime.stopping import on_signal


def run_courier(here: Installation) -> None:
    """Run until SIGINT or SIGTERM."""
    settings = here.settings
    stop = threading.Event()
    on_signal(stop.set)
    database = here.database()
    channels = []
    if settings.webhook_url:
        secret = settings.webhook_secret.get_secret_value()
        channels.append(WebhookChannel(settings.webhook_url, secret, here.clock))
    tidy = threading.Thread(
        target=keep_tidy,
        args=(database, here.series(), settings, here.clock, stop),
        name="housekeeping",
        daemon=True,
    )
    tidy.start()
    try:
        Courier(database, channels, here.clock, base_url=settings.base_url).run(stop)
    finally:
        stop.set()
        tidy.join(5.0)
        database.close()
