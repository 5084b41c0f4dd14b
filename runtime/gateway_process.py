"""The gateway as a process: built from settings and keys, ended when nothing but a new start helps."""

from __future__ import annotations

import logging
import os
import threading

from domain import topics
from gateway.options import GatewayOptions
from gateway.service import Gateway
from runtime import systemd
from runtime.broker_address import broker_address
from runtime.first_rulebook import seed
from runtime.holidays import advise, timetables
from runtime.huge_pages import Folding
from runtime.installation import Installation
from runtime.stopping import on_signal
from storage.database import Database
from storage.stations import all_stations
from transport.hub import HubLink
from transport.lane import LaneOptions

logger = logging.getLogger(__name__)

INBOX = 30_000
LOOK_EVERY_S = 2.0
SQL_STATIONS = 300
DEAD = 70
CACHE_MB = 8


def run_gateway(here: Installation) -> None:
    """Run until SIGINT or SIGTERM. Raises ShardLost when another gateway has taken over."""
    database = here.database(CACHE_MB)
    try:
        seed(here, database)
        gateway = make_gateway(here, database)
        on_signal(gateway.stop)
        threading.Thread(target=_end_when_dead, args=(gateway,), name="health-watch", daemon=True).start()
        if here.settings.series == "sql":
            _advise(database)
        systemd.notify("READY=1")
        with Folding():
            gateway.run()
    finally:
        database.close()


def _advise(database: Database) -> None:
    with database.read() as connection:
        known = len(all_stations(connection))
    if known > SQL_STATIONS:
        logger.warning(
            "There are %d stations, and readings in the same database are meant for up to %d: "
            "set WAYSTATION_SERIES to influx (docs/series.md)",
            known,
            SQL_STATIONS,
            extra={"action": "many_stations"},
        )


def make_gateway(here: Installation, database: Database) -> Gateway:
    """A gateway for this installation's broker and database; nothing is connected yet."""
    settings, secrets = here.settings, here.secrets()

    def lane(client_id: str, *filters: tuple[str, int]) -> LaneOptions:
        return LaneOptions(
            client_id=client_id,
            username="gateway",
            password=secrets.broker_passwords["gateway"],
            filters=filters,
        )

    broker = broker_address(settings)
    hub = HubLink(
        broker.host,
        broker.port,
        lanes={
            "quick": lane(secrets.client_ids.quick, (topics.QUICK_FILTER, 1), (topics.COMMAND_HINTS, 0)),
            "bulk": lane(secrets.client_ids.bulk, (topics.BULK_FILTER, 1)),
        },
        inbox_size=INBOX,
        wall_ms=here.clock.now_ms,
        tls=broker.tls,
    )
    channels = ("webhook",) if settings.webhook_url else ()
    known = timetables(settings)
    advise(known.calendar, here.clock.now_ms())
    options = GatewayOptions(retention_days=settings.retention_days, channels=channels, timetables=known)
    return Gateway(database, here.inflow(), hub, secrets.commands.active, here.clock, options)


def _end_when_dead(gateway: Gateway) -> None:
    """A gateway whose network thread has died would hear nothing for ever; a new one goes on at once."""
    pause = threading.Event()
    was_dead = False
    while not pause.wait(LOOK_EVERY_S):
        if gateway.health.turns:
            systemd.notify("WATCHDOG=1")
        # A process that slept as a whole looks dead at its first look, and is not.
        is_dead = gateway.health.dead
        if is_dead and was_dead:
            logger.critical(
                "The gateway ends because it cannot go on: %s",
                " ".join(gateway.health.problems()),
                extra={"action": "gateway_dead"},
            )
            logging.shutdown()
            os._exit(DEAD)
        was_dead = is_dead
