"""The API as a process: database, hints from the bus, keys of sessions, and the server around them."""

from __future__ import annotations

import secrets as random_words

from api import divisions
from api.app import create_app
from api.board import Board
from api.options import ApiOptions
from api.server import CannotListen, serve
from api.sessions import SessionKeys
from api.state import ApiState
from runtime.broker_address import broker_address
from runtime.first_stations import DIVISIONS
from runtime.holidays import timetables
from runtime.installation import CannotStart, Installation
from runtime.stopping import StopSignals
from storage.database import Database
from transport.bus import HubBus


def run_api(here: Installation) -> None:
    """Serve until SIGINT or SIGTERM; CannotStart when the port is taken."""
    settings = here.settings
    # The server handles signals itself, and afterwards raises them once more for whoever was there before.
    StopSignals()
    database = here.database()
    bus, state = make_state(here, database)
    bus.start()
    try:
        serve(create_app(state), settings.bind, settings.api_port)
    except CannotListen as exc:
        raise CannotStart(str(exc)) from exc
    finally:
        bus.stop()
        database.close()


def make_state(here: Installation, database: Database) -> tuple[HubBus, ApiState]:
    """What the application works with, and the bus that brings it hints; the bus is not started."""
    settings, secrets, clock = here.settings, here.secrets(), here.clock
    known = timetables(settings)

    def on_hint(topic: str, payload: bytes) -> None:
        state.on_hint(topic, payload)

    broker = broker_address(settings)
    bus = HubBus(
        broker.host,
        broker.port,
        f"api-{random_words.token_hex(8)}",
        username="api",
        password=secrets.broker_passwords["api"],
        on_hint=on_hint,
        tls=broker.tls,
    )
    state = ApiState(
        db=database,
        hints=bus,
        clock=clock,
        options=ApiOptions(
            base_url=settings.base_url,
            live_clients=settings.live_clients_max,
            outbox_max_bytes=settings.outbox_max_mb * 1_000_000,
        ),
        sessions=SessionKeys(secrets.sessions),
        series=here.series(),
        influx_at=here.influx_at() if here.settings.series == "influx" else None,
        board=Board(database, clock, known),
        timetables=known,
        counties=divisions.load(DIVISIONS),
    )
    return bus, state
