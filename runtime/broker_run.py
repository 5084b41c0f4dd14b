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
from runtime.watched_files import WatchedFiles

logger = logging.getLogger(__name__)

RENEW_EVERY_S: Final = 3600.0


def run_broker(
    var_dir: Path,
    mqtt_port: int,
    nats_port: int,
    bind: str = LOOPBACK,
    *,
    tls: Tls | None = None,
    renew: Callable[[], object] | None = None,
) -> None:
    """Run the broker in the foreground until SIGINT or SIGTERM; start it again when it dies.

    `renew` is called once an hour. Whoever puts a new certificate there, the broker shows it within seconds
    to all who come; those who are there stay. Raise BrokerFailed when the broker cannot be started.
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
        shown = WatchedFiles((tls.certificate, tls.key) if tls else ())
        while not stop.wait(0.5):
            disk.look()
            if not broker.is_alive() and disk.has_room:
                logger.error("Broker ended by itself; starting it again", extra={"action": "broker_died"})
                broker.start()
                disk.skip_log()
            if renew is not None and clock.monotonic_s() - asked_s > RENEW_EVERY_S:
                asked_s = clock.monotonic_s()
                _renew(renew)
            if shown.changed():
                _show(broker)
    finally:
        broker.stop()


def _renew(renew: Callable[[], object]) -> None:
    try:
        renew()
    except WaystationError as exc:
        logger.error("The certificate was not renewed: %s", exc, extra={"action": "certificate_old"})


def _show(broker: Broker) -> None:
    try:
        if broker.reload():
            logger.info("The broker shows a new certificate", extra={"action": "certificate_renewed"})
    except WaystationError as exc:
        logger.error("The broker keeps its old certificate: %s", exc, extra={"action": "certificate_old"})
