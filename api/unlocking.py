"""One tap on 'open': read the facts, decide, write down who asked and what was answered, and pass it on."""

from __future__ import annotations

import math
import threading
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, cast

from sqlalchemy import Connection

from api.board import view_of
from api.caller import Caller
from api.lock import link_of
from api.nearby import nearby, nearby_json
from api.problems import Problem
from api.state import ApiState
from api.station_json import info_of
from domain.errors import NotFound
from domain.ids import DeviceId
from rules.access import AccessFacts, AccessRequest, Denied, Granted, Policy, decide
from rules.wording import Reason, denied
from storage import accesses, alerts, availability, commands, registry, shards, stations
from storage.accesses import AccessRow
from storage.commands import CLAIM_WITHIN_MS, CommandRow, NewCommand
from storage.registry import Door
from storage.stations import Station

OPEN_S: Final = 8
"""For how long the bolt stays out."""
_BEFORE_THE_HUB: Final = frozenset({"safety", "out_of_service"})
_ELSEWHERE: Final = frozenset({"out_of_service", "offline", "lock_fault", "hours", "night", "full"})
"""Reasons for which another station helps."""
_POLICY: Final = Policy()

_deciding = threading.Lock()


@dataclass(frozen=True, slots=True)
class Taken:
    """A command is under way; `joined` when somebody else's is."""

    access_id: str
    command_id: str
    state: str
    joined: bool
    adcode: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The answer is no; `words` are for the person at the door, `nearby` is where else to go."""

    status: int
    code: str
    reason: str
    words: dict[str, str]
    nearby: dict[str, Any] | None = None

    def problem(self) -> Problem:
        """The same as an error answer."""
        detail = f"{self.words['title_en']}. {self.words['line2_en']}".strip()
        headers = {"Retry-After": "3"} if self.status in (429, 503) else None
        more = {"reason": self.reason, **self.words, "nearby": self.nearby}
        return Problem(self.status, self.code, detail, headers=headers, more=more)


_HUB_DOWN: Final = {
    "title_zh": "系统暂时开不了门",
    "line2_zh": "不是您的问题，请过一会儿再试",
    "title_en": "Doors can’t be opened just now",
    "line2_en": "Not your fault. Try again in a moment.",
}
_TOO_LATE: Final = {
    "title_zh": "这次超时了",
    "line2_zh": "门不会过后自己打开，请再点一次",
    "title_en": "That took too long",
    "line2_en": "The door will not open later. Tap once more.",
}


def unlock(state: ApiState, caller: Caller, code: str, key: str | None, arrived_s: float) -> Taken | Refused:
    """Decide and write, in one transaction; the hint goes out after the commit.

    `arrived_s`: when the request came, by the monotonic clock. Raises NotFound for an unknown door.
    """
    with state.db.write() as conn:
        known = accesses.by_key(conn, caller.actor, key) if key else None
        if known is not None:
            return _same_answer(state, conn, known, registry.get_door(conn, code))
        door = registry.get_door(conn, code)
        answer = _first_answer(state, conn, caller, door, key, arrived_s)
    if isinstance(answer, Taken) and not answer.joined:
        state.tell_gateway(answer.adcode, {"command": answer.command_id})
    return answer


def _first_answer(
    state: ApiState, conn: Connection, caller: Caller, door: Door, key: str | None, arrived_s: float
) -> Taken | Refused:
    now_ms = state.db.now_ms(conn)
    station = stations.get_station(conn, door.station)
    lock = door.lock
    age_ms = max(0, round((state.clock.monotonic_s() - arrived_s) * 1000))
    refused, reasons = _decide(state, conn, caller, station, lock, now_ms, age_ms)
    access = AccessRow(
        id=commands.new_id(now_ms),
        at_ms=now_ms,
        station=station.id,
        door_n=door.n,
        actor=caller.actor,
        how=caller.how,
        granted=refused is None,
        reason=refused.reason if refused else "granted",
        reasons=reasons,
        # Who was only too fast may come again with the same key.
        idempotency_key=None if refused and refused.reason == "rate" else key,
    )
    if not accesses.add(conn, access):
        # The same request came twice at once, and the other one has just been committed.
        known = accesses.by_key(conn, caller.actor, key or "")
        assert known is not None
        return _same_answer(state, conn, known, door)
    if refused is not None:
        return refused
    command, joined = _command(conn, caller, station, lock, access, now_ms - age_ms)
    accesses.set_command(conn, access.id, command.id)
    return Taken(access.id, command.id, command.state, joined, station.adcode)


def _decide(
    state: ApiState,
    conn: Connection,
    caller: Caller,
    station: Station,
    lock: DeviceId,
    now_ms: int,
    age_ms: int,
) -> tuple[Refused | None, tuple[str, ...]]:
    try:
        link, _ = link_of(conn, lock, now_ms)
    except NotFound:
        link = "offline"
    row = availability.get(conn, station.id)
    codes = {one.code for one in alerts.search(conn, state="open", station=station.id, limit=200)}
    with _deciding:
        facts = AccessFacts.of(
            info_of(station, True),
            view_of(row, codes),
            lock.short,
            link,
            now_ms,
            state.timetables,
            phone=station.phone,
        )
        request = AccessRequest(
            actor_kind="staff",
            at_ms=now_ms - age_ms,
            entitled=caller.may("door:open") and caller.sees(station),
            wait_s=math.ceil(state.unlocks.wait_s(caller.actor)),
        )
        decision = decide(request, facts, _POLICY, now_ms)
        elsewhere = None
        if isinstance(decision, Denied) and decision.reason in _ELSEWHERE:
            elsewhere = _elsewhere(state, station)
            if elsewhere is not None:
                decision = decide(request, _with_nearby(facts, elsewhere), _POLICY, now_ms)
    reasons = () if isinstance(decision, Granted) else decision.reasons
    if isinstance(decision, Denied) and decision.reason in _BEFORE_THE_HUB:
        return _denied(decision, elsewhere), reasons
    worker = shards.worker(conn, state.options.shard)
    if worker is None or now_ms - worker.seen_ms > state.options.hub_silent_ms:
        return Refused(503, "hub_down", "hub_down", _HUB_DOWN), ("hub_down", *reasons)
    if isinstance(decision, Denied):
        return _denied(decision, elsewhere), reasons
    if age_ms > CLAIM_WITHIN_MS:
        return Refused(503, "too_late", "too_late", _TOO_LATE), ("too_late",)
    return None, ()


def _elsewhere(state: ApiState, station: Station) -> dict[str, Any] | None:
    return nearby_json(state.board, nearby(state.board, station, state.clock.now_ms()))


def _with_nearby(facts: AccessFacts, told: dict[str, Any]) -> AccessFacts:
    return replace(facts, nearby=told["name"], nearby_en=told["name_en"], nearby_m=told["distance_m"])


def _denied(no: Denied, elsewhere: dict[str, Any] | None) -> Refused:
    words = {
        "title_zh": no.title_zh,
        "line2_zh": no.line2_zh,
        "title_en": no.title_en,
        "line2_en": no.line2_en,
    }
    return _refused(no.reason, words, elsewhere)


def _refused(reason: str, words: dict[str, str], elsewhere: dict[str, Any] | None) -> Refused:
    if reason == "offline":
        return Refused(409, "lock_offline", reason, words, elsewhere)
    if reason == "rate":
        return Refused(429, "too_fast", reason, words)
    return Refused(403, reason, reason, words, elsewhere)


def _command(
    conn: Connection, caller: Caller, station: Station, lock: DeviceId, access: AccessRow, requested_ms: int
) -> tuple[CommandRow, bool]:
    new = NewCommand(
        id=commands.new_id(access.at_ms),
        device=lock,
        adcode=station.adcode,
        action="unlock",
        args={"open_s": OPEN_S},
        because=f"access:{access.id}",
        must_hold=False,
        requested_ms=requested_ms,
        actor=caller.actor,
        idempotency_key=access.idempotency_key,
    )
    # Between a refused row and the look at who has the door, that one may have ended: hence again.
    for _ in range(5):
        if commands.create(conn, new):
            made = commands.by_id(conn, new.id)
            assert made is not None
            return made, False
        running = commands.in_flight(conn, lock)
        if running is None:
            continue
        if not commands.is_overdue(running):
            return running, True
        commands.end_overdue(conn, access.at_ms)
    raise Problem(503, "busy", "The door is busy; try again.", headers={"Retry-After": "1"})


def _same_answer(state: ApiState, conn: Connection, known: AccessRow, door: Door) -> Taken | Refused:
    """What the first request with this key was told, in the state in which it is now."""
    if (known.station, known.door_n) != (door.station, door.n):
        raise Problem(422, "key_used", "This Idempotency-Key was used for another door; take a new one.")
    if not known.granted:
        return _again(state, conn, known)
    command = commands.by_id(conn, known.command_id or "")
    if command is None:
        raise Problem(409, "key_used", "This Idempotency-Key belongs to a request that is forgotten.")
    joined = command.because != f"access:{known.id}"
    return Taken(known.id, command.id, command.state, joined, command.adcode)


def _again(state: ApiState, conn: Connection, known: AccessRow) -> Refused:
    ours = {"hub_down": _HUB_DOWN, "too_late": _TOO_LATE}
    if known.reason in ours:
        return Refused(503, known.reason, known.reason, ours[known.reason])
    elsewhere = None
    if known.reason in _ELSEWHERE:
        elsewhere = _elsewhere(state, stations.get_station(conn, known.station))
    return _refused(known.reason, asdict(denied(cast(Reason, known.reason), {}, {})), elsewhere)
