"""The simulator as a process, or as several: stations, their credentials, the socket that takes faults."""

from __future__ import annotations

import logging
import os
import secrets as random_words
from collections.abc import Callable, Mapping, Sequence
from math import ceil
from types import MappingProxyType

from device_sim.control import Control, Played
from device_sim.edge_box import BoxSettings
from device_sim.fleet import Fleet
from device_sim.line import BrokerAddress, Line, LineEvents, Login, StationLine
from device_sim.pace import shared_pace
from device_sim.simulators import Simulators, part_dir, share
from device_sim.station_plan import StationPlan
from device_sim.turnstile import Turnstile
from domain.errors import Conflict
from domain.ids import edge_box
from gateway.interpreter import settle
from runtime.broker_address import station_address
from runtime.children import Child, ChildPlan
from runtime.descriptors import make_room
from runtime.first_stations import fill, to_simulate
from runtime.huge_pages import Folding
from runtime.installation import CannotStart, Installation
from runtime.mosquitto_files import export_all
from runtime.output import say
from runtime.ready import wait_for_a_gateway
from runtime.secrets import Secrets
from runtime.settings import Settings
from runtime.station_passwords import SIMULATOR, station_logins
from runtime.stopping import StopSignals
from storage.credentials import Credential, add_credential, list_credentials
from storage.database import Database
from transport.loop import MqttLoop

logger = logging.getLogger(__name__)

STATIONS_A_PROCESS = 3_000
LONGEST_BACKOFF_S = 15.0
LOOK_EVERY_S = 0.5
TELL_EVERY_S = 5.0
MANY = 500
"""From so many stations on a start takes long enough to say how far it is."""
FEW_AT_ONCE = BoxSettings(in_flight=2)
"""Among many stations each waits for the broker after two publishes: twenty of each would be more than it
stores in five seconds, and then it hangs up on all of them, who then send everything again."""
GRACE_S = 10.0
YIELDS = 5
"""By so much nicer than the hub: on a machine that is too small the stations are slow, not the hub."""


def run_simulator(here: Installation, part: tuple[int, int] | None = None, *, fills: bool = False) -> None:
    """Run until SIGINT or SIGTERM; CannotStart when another simulator plays the same stations.

    `part` (number, of how many) plays only that share; `fills` writes missing stations down first.
    """
    signals = StopSignals()
    database = here.database()
    try:
        if fills:
            fill(database, here.settings, here.now_ms())
        plans = with_credentials(database, to_simulate(database, here.settings), here.now_ms())
        passwords = _known_to_mosquitto(here, database, tells=part is None)
        if part is None:
            wait_for_a_gateway(database, here.clock, signals.wait)
    finally:
        database.close()
    parts = processes_for(here.settings, len(plans))
    if part is None and parts > 1:
        _share_out(here, plans, parts, signals)
    else:
        _play(here, plans, part or (0, 1), signals, passwords)


def processes_for(settings: Settings, stations: int) -> int:
    """How many processes share so many stations."""
    wanted = settings.sim_processes or ceil(stations / STATIONS_A_PROCESS)
    return max(1, min(wanted, stations))


def _play(
    here: Installation,
    plans: Sequence[StationPlan],
    part: tuple[int, int],
    signals: StopSignals,
    passwords: Mapping[str, str],
) -> None:
    settings, secrets = here.settings, here.secrets()
    os.nice(YIELDS)
    number, parts = part
    mine = plans[number::parts]
    make_room(len(mine))
    connects_per_s = settings.sim_connects_per_s / parts
    turnstile = Turnstile(connects_per_s)
    loop = MqttLoop("sim-mqtt")
    fleet = Fleet(
        mine,
        clock=here.clock,
        open_line=open_lines(here, secrets, loop, turnstile, passwords),
        verify_keys=secrets.command_verify_keys,
        seed=settings.sim_seed,
        hour_shift=settings.sim_hour_shift,
        box=FEW_AT_ONCE if len(plans) >= MANY else None,
        pace=shared_pace(plans, settings.sim_messages_per_s),
        connects_per_s=connects_per_s,
    )
    control = Control(fleet, here.var_dir if parts == 1 else part_dir(here.var_dir, number))
    folding = Folding()
    _listen(control)
    try:
        folding.start()
        loop.start()
        fleet.start(loop)
        settle()
        if parts == 1 and len(mine) >= MANY:
            _tell_until_connected(here, fleet, len(mine), signals)
        signals.wait()
    finally:
        folding.stop()
        turnstile.close()
        control.stop()
        fleet.stop()
        loop.stop()


def _share_out(here: Installation, plans: Sequence[StationPlan], parts: int, signals: StopSignals) -> None:
    """Let as many processes play, look after them, and speak for all of them."""
    played = Simulators(here.var_dir, share([plan.id for plan in plans], parts), parts)
    control = Control(played, here.var_dir)
    _listen(control)
    children = [
        Child(
            ChildPlan(
                name=f"simulator {number + 1}",
                arguments=("sim", "--watched", "--part", f"{number}/{parts}"),
                grace_s=GRACE_S,
            ),
            here.clock,
        )
        for number in range(parts)
    ]
    try:
        for number, child in enumerate(children):
            part_dir(here.var_dir, number).mkdir(parents=True, exist_ok=True)
            child.start()
        _tell_until_connected(here, played, len(plans), signals, children)
        while not signals.wait(LOOK_EVERY_S):
            for child in children:
                child.look()
    finally:
        control.stop()
        for child in children:
            child.end()
        for child in children:
            if not child.wait(GRACE_S):
                child.kill()


def _tell_until_connected(
    here: Installation,
    played: Played,
    stations: int,
    signals: StopSignals,
    children: Sequence[Child] = (),
) -> None:
    told_s = began_s = here.clock.monotonic_s()
    while not signals.wait(LOOK_EVERY_S):
        for child in children:
            child.look()
        now_s = here.clock.monotonic_s()
        connected = played.totals()["connected"]
        if connected >= stations:
            say(f"All {stations:,} stations are connected, after {now_s - began_s:.0f} s.")
            return
        if now_s - told_s >= TELL_EVERY_S:
            told_s = now_s
            say(f"{connected:,} of {stations:,} stations are connected.")


def _listen(control: Control) -> None:
    try:
        control.start()
    except Conflict as exc:
        raise CannotStart(str(exc)) from exc


def open_lines(
    here: Installation,
    secrets: Secrets,
    loop: MqttLoop,
    turnstile: Turnstile | None = None,
    passwords: Mapping[str, str] = MappingProxyType({}),
) -> Callable[[StationPlan, LineEvents], Line]:
    """How a simulated station reaches the broker: with a credential of its own, as a real one."""
    at = station_address(here.settings)
    broker = BrokerAddress(at.host, at.port, at.tls, longest_backoff_s=LONGEST_BACKOFF_S, turnstile=turnstile)

    def open_line(plan: StationPlan, events: LineEvents) -> Line:
        login = Login(
            client_id=f"sim-{plan.id}-{random_words.token_hex(4)}",
            username=plan.id,
            password=passwords.get(plan.id) or secrets.issue_station(plan.adcode, plan.id, here.now_ms()),
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
                add_credential(connection, Credential(edge_box(plan.id), SIMULATOR, now_ms))
    return [plan for plan in plans if plan.id in valid or plan.id not in ever]


def _known_to_mosquitto(here: Installation, database: Database, *, tells: bool) -> Mapping[str, str]:
    """Passwords by station where the broker takes no others; `tells` it of new ones first."""
    if here.settings.broker != "mosquitto":
        return {}
    if tells:
        export_all(here, database)
    with database.read() as connection:
        logins = station_logins(connection, here.secrets())
    boxes = (one for one in logins if one.username == one.speaker.station)
    return {one.username: one.password for one in boxes if one.password is not None}
