"""Mosquitto's certificate, looked after by a process of the hub: Mosquitto itself cannot make one."""

from __future__ import annotations

import logging
from threading import Event
from typing import Final

from domain.errors import WaystationError
from runtime.installation import Installation
from runtime.mosquitto_files import renew
from storage.database import Database

logger = logging.getLogger(__name__)

RENEW_EVERY_S: Final = 3600.0


def keep_certificate(here: Installation, database: Database, stop: Event) -> None:
    """Look once an hour until `stop` is set, where the broker is Mosquitto; nothing to do where it is not."""
    if here.settings.broker != "mosquitto":
        return
    while True:
        try:
            if renew(here, database):
                logger.info("Mosquitto has a new certificate", extra={"action": "certificate_renewed"})
        except (WaystationError, OSError) as exc:
            logger.error("The certificate was not renewed: %s", exc, extra={"action": "certificate_old"})
        if stop.wait(RENEW_EVERY_S):
            return
