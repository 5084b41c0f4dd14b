"""The broker in the foreground, kept running whatever happens to it."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from domain.errors import WaystationError
from runtime.broker import LOOPBACK, Broker
from runtime.broker_config import Tls
from runtime.broker_disk import BrokerDisk
from runtime.clock import WallClock

logger = logging.getLogger(__name__)

RENEW_EVERY_S: Final = 3600.0


def run_broker(
    var_dir: Path,
    mqtt_port: int,
    nats_port: int,
    bind: str = LOOPBACK,
    *,
    tls: Tls | None = None,
    renew: Callable[[], bool] | None = None,
) -> None:
    """Run the broker in the foreground until SIGINT or SIGTERM; start it again when it dies.

    `renew` is asked once an hour; True says that there is a new certificate. Raise BrokerFailed when the
    broker cannot be started.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    broker = Broker(var_dir, mqtt_port, nats_port, bind, tls=tls)
    try:
        broker.start()
        clock = WallClock()
        disk = BrokerDisk(broker, clock)
        asked_s = clock.monotonic_s()
        while not stop.wait(0.5):
            disk.look()
            if not broker.is_alive() and disk.has_room:
                logger.error("Broker ended by itself; starting it again", extra={"action": "broker_died"})
                broker.start()
                disk.skip_log()
            if renew is not None and clock.monotonic_s() - asked_s > RENEW_EVERY_S:
                asked_s = clock.monotonic_s()
                _renew(broker, renew)
    finally:
        broker.stop()


def _renew(broker: Broker, renew: Callable[[], bool]) -> None:
    try:
        if renew():
            broker.reload()
            logger.info("The certificate was renewed", extra={"action": "certificate_renewed"})
    except WaystationError as exc:
        logger.error("The certificate was not renewed: %s", exc, extra={"action": "certificate_old"})
