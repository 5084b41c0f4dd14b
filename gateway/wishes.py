"""What must become true at a device because of an alert: one command row each, repeated until it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from devices.state import SELF, DeviceState
from domain.facts import Value
from domain.ids import DeviceId
from gateway.fleet import Fleet, Member
from gateway.handshakes import Step
from gateway.overlay import Overlay, Wanted
from gateway.station_view import is_surely_empty
from storage.commands import CommandRow, NewCommand, new_id

FIRST_AGAIN_S = 5.0
AGAIN_AT_MOST_S = 60.0
RULES = "rules"


class WishKey(NamedTuple):
    """One wish: this command of this device, for this part of it."""

    device: DeviceId
    action: str
    part: int


class Wish(NamedTuple):
    """The command row of a wish, and the alert that started it."""

    id: str
    alert_id: str


def again_after_s(attempt: int) -> float:
    """How long to wait before the next attempt: 5 s, doubling up to a minute."""
    return float(min(FIRST_AGAIN_S * 2 ** max(attempt - 1, 0), AGAIN_AT_MOST_S))


class Wishes:
    """All open wishes. They are rows; this is only the memory of which there are."""

    def __init__(self) -> None:
        self._wishes: dict[WishKey, Wish] = {}

    def __len__(self) -> int:
        return len(self._wishes)

    def recover(self, row: CommandRow, fleet: Fleet) -> None:
        """Take on a row that a predecessor left open."""
        member = fleet.members.get(row.device)
        if member is not None:
            alert_id = (row.because or "").removeprefix("alert:")
            self._wishes[_key(member, row.action, row.args)] = Wish(row.id, alert_id)

    def new_in(self, overlay: Overlay, fleet: Fleet) -> list[tuple[WishKey, NewCommand]]:
        """Rows for what the rules want and the devices do not yet show."""
        found: dict[WishKey, NewCommand] = {}
        ended = {e.note.id for e in overlay.ended}
        for wanted in overlay.wanted:
            for member in _addressees(wanted, fleet):
                key = _key(member, wanted.ask.command, wanted.ask.args)
                # A wish whose alert ends in this batch ends too: who wants the same now asks anew.
                wished = key in self._wishes and self._wishes[key].alert_id not in ended
                if wished or key in found or is_so(overlay.state(member.device), member, key):
                    continue
                if _needs_an_empty_room(member, key) and not _is_empty(overlay, fleet, member):
                    continue
                found[key] = NewCommand(
                    id=new_id(overlay.now_ms),
                    device=member.device,
                    adcode=member.adcode,
                    action=key.action,
                    args=dict(wanted.ask.args),
                    because=f"alert:{overlay.alert_id(wanted.because) or ''}",
                    must_hold=True,
                    requested_ms=overlay.now_ms,
                    actor=RULES,
                )
        return list(found.items())

    def take(self, made: Iterable[tuple[WishKey, NewCommand]]) -> None:
        """Remember rows that are committed."""
        for key, new in made:
            self._wishes[key] = Wish(new.id, new.because.removeprefix("alert:"))

    def settled(self, overlay: Overlay, fleet: Fleet) -> list[Step]:
        """Steps for wishes that have come true, and for those whose alert has ended."""
        if not self._wishes:
            return []
        steps = []
        ended = {e.note.id for e in overlay.ended}
        open_ids = {note.id for note in fleet.open_alerts.values()} - ended
        open_ids.update(opened.id for opened in overlay.opened.values())
        for key, wish in self._wishes.items():
            member = fleet.members.get(key.device)
            if member is not None and is_so(overlay.state(key.device), member, key):
                steps.append(Step(wish.id, ("created", "preparing", "sent", "accepted"), "done"))
            elif (
                member is not None
                and _needs_an_empty_room(member, key)
                and not _is_empty(overlay, fleet, member)
            ):
                # Somebody may have come in since; not even the last attempt may leave them in the dark.
                steps.append(
                    Step(wish.id, ("created", "preparing", "sent", "accepted"), "failed", "not_surely_empty")
                )
            elif member is None or wish.alert_id not in open_ids:
                steps.append(
                    Step(wish.id, ("created", "preparing", "sent", "accepted"), "failed", "alert_ended")
                )
        return steps

    def forget(self, ids: Iterable[str]) -> None:
        """Drop wishes that are over."""
        gone = set(ids)
        self._wishes = {key: wish for key, wish in self._wishes.items() if wish.id not in gone}


def is_so(state: DeviceState, member: Member, key: WishKey) -> bool:
    """True when the device's facts show what was wished."""
    command = member.kind.commands.get(key.action)
    if command is None or command.holds is None:
        return False
    facts = state.parts.get(key.part)
    values: dict[str, Value] = facts.values if facts is not None else {}
    return command.holds(values)


def _needs_an_empty_room(member: Member, key: WishKey) -> bool:
    command = member.kind.commands.get(key.action)
    return command is not None and command.only_when_empty


def _is_empty(overlay: Overlay, fleet: Fleet, member: Member) -> bool:
    record = fleet.stations.get(member.device.station)
    return record is not None and is_surely_empty(overlay, record)


def _key(member: Member, action: str, args: object) -> WishKey:
    command = member.kind.commands.get(action)
    part = SELF
    if command is not None and command.part_arg is not None and isinstance(args, dict):
        part = int(args.get(command.part_arg, SELF))
    return WishKey(member.device, action, part)


def _addressees(wanted: Wanted, fleet: Fleet) -> list[Member]:
    ask = wanted.ask
    if isinstance(ask.device, str):
        members = fleet.by_role(wanted.because.device.station, ask.device)
    else:
        member = fleet.members.get(ask.device)
        members = [member] if member is not None else []
    return [m for m in members if ask.command in m.kind.commands]
