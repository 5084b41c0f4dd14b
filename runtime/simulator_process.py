"""The simulator as a process: its stations, their credentials, and the socket that takes faults."""

from __future__ import annotations

import secrets as random_words
from collections.abc import Callable

from device_sim.control import Control
from device_sim.fleet import Fleet
from device_sim.line import BrokerAddress, Line, LineEvents, Login, StationLine
from device_sim.station_plan import StationPlan
from domain.errors import Conflict
from domain.ids import edge_box
from runtime.broker_address import broker_address
from runtime.first_stations import to_simulate
from runtime.installation import CannotStart, Installation
from runtime.secrets import Secrets
from runtime.stopping import StopSignals
from storage.credentials import Credential, add_credential, list_credentials
from storage.database import Database
from transport.loop import MqttLoop


def run_simulator(here: Installation) -> None:
    """Run until SIGINT or SIGTERM; CannotStart when another simulator plays the same stations."""
    settings, secrets = here.settings, here.secrets()
    signals = StopSignals()
    database = here.database()
    try:
        plans = with_credentials(database, to_simulate(database, settings), here.now_ms())
    finally:
        database.close()
    loop = MqttLoop("sim-mqtt")
    fleet = Fleet(
        plans,
        clock=here.clock,
        open_line=open_lines(here, secrets, loop),
        verify_keys=secrets.commands.verify_keys(),
        seed=settings.sim_seed,
        hour_shift=settings.sim_hour_shift,
    )
    control = Control(fleet, here.var_dir)
    try:
        control.start()
    except Conflict as exc:
        raise CannotStart(str(exc)) from exc
    try:
        loop.start()
        fleet.start()
        signals.wait()
    finally:
        control.stop()
        fleet.stop()
        loop.stop()


def open_lines(
    here: Installation, secrets: Secrets, loop: MqttLoop
) -> Callable[[StationPlan, LineEvents], Line]:
    """How a simulated station reaches the broker: with a credential of its own, as a real one."""
    at = broker_address(here.settings)
    broker = BrokerAddress(at.host, at.port, at.tls)

    def open_line(plan: StationPlan, events: LineEvents) -> Line:
        login = Login(
            client_id=f"sim-{plan.id}-{random_words.token_hex(4)}",
            username=plan.id,
            password=secrets.issue_station(plan.adcode, plan.id, here.now_ms()),
        )
        return StationLine(loop, broker, login, plan.adcode, plan.id, events)

    return open_line


def with_credentials(database: Database, plans: list[StationPlan], now_ms: int) -> list[StationPlan]:
    """Plans whose station may connect; one without any credential gets its first, a revoked one stays out."""
    with database.read() as connection:
        given = list_credentials(connection)
    ever = {one.speaker.station for one in given}
    valid = {one.speaker.station for one in given if one.revoked_ms is None}
    new = [plan for plan in plans if plan.id not in ever]
    if new:
        with database.write() as connection:
            for plan in new:
                add_credential(connection, Credential(edge_box(plan.id), "simulator", now_ms))
    return [plan for plan in plans if plan.id in valid or plan.id not in ever]
