"""Applies a rulebook to one device after another: facts, events, silence and deadlines in, effects out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from devices.state import SELF, DeviceState
from domain.facts import NUMBERS, Facts, Value
from domain.ids import DeviceId
from rules.alert_life import OPEN, PENDING, UNSURE, WAITING, Moment, Office
from rules.effects import Effect, ResolveAlert
from rules.rule import CLOCK_FAULT
from rules.sight import DAY_MS, BoundRule, Plan, plan_for

if TYPE_CHECKING:
    from rules.rulebook import Rulebook

LATE_EVENT_MS = 10 * 60_000
"""An event older than this opens its alert only for a safety rule."""

_NONE: frozenset[str] = frozenset()


def _number_only(station: str) -> tuple[str, str]:
    return station, station


class Watcher:
    """Holds a rulebook and no facts. What is under way for a device stands in its `state.watch`.

    `station_names` gives a station's names in Chinese and English for the texts.
    """

    def __init__(
        self, rulebook: Rulebook, station_names: Callable[[str], tuple[str, str]] = _number_only
    ) -> None:
        self.rulebook = rulebook
        self._office = Office(rulebook.version, station_names)
        self._plans: dict[str, Plan | None] = {}

    @property
    def errors(self) -> Counter[str]:
        """How often the conditions of a rule failed although all facts were there, by code."""
        return self._office.errors

    def reading(
        self,
        device: DeviceId,
        state: DeviceState,
        part: int,
        changed: Collection[str],
        now_ms: int,
        open_codes: Collection[str] = _NONE,
        *,
        further: bool = False,
    ) -> list[Effect]:
        """After a report was folded in: `changed` are the names in this part whose value changed.

        Call it for every message of a device whose `watch` is not empty, also when nothing changed; for
        each further part of the same message as `further`, so that what is under way is looked at once.
        """
        plan = self._plan(device)
        if plan is None:
            return []
        watch = state.watch
        rests = not watch or (further and not _is_about(watch, part))
        if rests and not state.clock_fault and _all_is_well(plan, state, part, changed):
            return []
        hits: dict[tuple[int, str], BoundRule] = {}
        index = plan.inner if part else plan.own
        for name in changed:
            for bound in index.get(name, ()):
                hits[part, bound.rule.code] = bound
            if not part:
                for bound in plan.inner_by_own.get(name, ()):
                    hits.update({(inner, bound.rule.code): bound for inner in state.parts if inner})
        for bound in plan.own.get(CLOCK_FAULT, ()):
            if state.clock_fault or f"0/{bound.rule.code}" in watch:
                hits[SELF, bound.rule.code] = bound
        if not hits and (further or not watch):
            return []
        moment = self._moment(plan, device, state, now_ms, open_codes)
        moment.heard()
        for key, entry in () if further else watch.items():
            if "r" in entry or entry.get("due", now_ms + 1) <= now_ms:
                inner, code = _split(key)
                known = plan.by_code.get(code)
                if known is not None and not known.rule.is_silence:
                    hits[inner, code] = known
        for last in (False, True):
            for (inner, code), bound in hits.items():
                if bound.gives_way is last and (
                    f"{inner}/{code}" in watch or not bound.is_well(state, inner)
                ):
                    moment.judge(bound, inner, changed=changed)
        return moment.effects

    def history_only(
        self,
        device: DeviceId,
        state: DeviceState,
        part: int,
        fields: Mapping[str, Value],
        happened_ms: int,
        now_ms: int,
    ) -> list[Effect]:
        """After a message that was older than what is known: safety rules look at its own values.

        For a part, put the fields of the device from the same message beside those of the part.
        """
        plan = self._plan(device)
        if plan is None or now_ms - happened_ms > DAY_MS:
            return []
        moment = self._moment(plan, device, state, now_ms, _NONE)
        for bound in plan.by_code.values():
            rule = bound.rule
            if not rule.safety or rule.when is None or rule.in_part != (part != SELF):
                continue
            if rule.silent_ms is not None:
                continue
            facts = {name: fields[name] for name in rule.when.reads if fields.get(name) is not None}
            if not facts or not self._office.holds(rule.code, rule.when, facts):
                continue
            newer = bound.newer(state, part, happened_ms, now_ms)
            denied = self._office.holds(rule.code, rule.when, newer.facts) is False
            too_short = denied and newer.at_ms - happened_ms < rule.for_ms
            if not too_short and not moment.is_open(part, rule.code):
                moment.fire(bound, part, happened_ms, facts, act=not denied, cause="late")
        return moment.effects

    def event(
        self,
        device: DeviceId,
        state: DeviceState,
        type_: str,
        part: int,
        happened_ms: int,
        now_ms: int,
        body: Mapping[str, Any],
    ) -> list[Effect]:
        """After an event was folded in, whether it was in order or not."""
        plan = self._plan(device)
        if plan is None:
            return []
        moment = self._moment(plan, device, state, now_ms, _NONE)
        moment.heard()
        for bound in plan.events.get(type_, ()):
            rule = bound.rule
            if now_ms - happened_ms > (DAY_MS if rule.safety else LATE_EVENT_MS):
                continue
            at_part = part if rule.in_part else SELF
            denied = False
            if rule.when is not None:
                newer = bound.newer(state, at_part, happened_ms, now_ms)
                denied = self._office.holds(rule.code, rule.when, newer.facts) is False
            seen = bound.look(state, at_part, now_ms)
            values: dict[str, Value] = dict(seen.facts)
            values.update(
                {name: value for name, value in body.items() if name in plan.variables and _is_plain(value)}
            )
            entry = moment.entry(at_part, rule.code)
            if entry is None or entry["s"] not in OPEN:
                on = rule.when is not None and self._office.holds(rule.code, rule.when, seen.facts) is True
                moment.fire(bound, at_part, happened_ms, values, act=not denied, on=on, cause="event")
            elif not denied and happened_ms > (entry.get("last") or entry["since"]):
                moment.again(bound, at_part, {**entry, "last": happened_ms}, values)
        return moment.effects

    def station(
        self,
        device: DeviceId,
        state: DeviceState,
        facts: Mapping[str, Value],
        now_ms: int,
        open_codes: Collection[str] = _NONE,
    ) -> list[Effect]:
        """After facts that devices tell of their station changed or expired: `{"door.leaf": "open", …}`.

        Leave out what is unknown or too old.
        """
        plan = self._plan(device)
        if plan is None:
            return []
        before = state.own.values
        known: dict[str, Value] = {
            name: value for name, value in facts.items() if name in plan.own and value is not None
        }
        changed = [name for name in {**before, **known} if before.get(name) != known.get(name)]
        if changed:
            state.parts[SELF] = Facts(known, state.own.marks, state.own.memory)
        return self.reading(device, state, SELF, changed, now_ms, open_codes)

    def due(
        self,
        device: DeviceId,
        state: DeviceState,
        now_ms: int,
        *,
        heard_ms: int | None,
        floor_ms: int,
        open_codes: Collection[str] = _NONE,
    ) -> list[Effect]:
        """At a deadline: `for`, a delayed clear, silence.

        `heard_ms` is when the box that speaks for the device was last heard, None for a speaker itself.
        `floor_ms` is when the lanes caught up, or now while they have not: no silence counts before it,
        and until then only safety rules keep their deadlines.
        """
        plan = self._plan(device)
        if plan is None:
            return []
        moment = self._moment(plan, device, state, now_ms, open_codes)
        for key, entry in list(state.watch.items()):
            due_ms = entry.get("due")
            if due_ms is None or due_ms > now_ms:
                continue
            part, code = _split(key)
            bound = plan.by_code.get(code)
            if bound is None:
                state.watch[key] = {name: value for name, value in entry.items() if name != "due"}
            elif not bound.rule.is_silence:
                moment.judge(bound, part, at_deadline=True, floor_ms=floor_ms)
        for bound in plan.silent:
            moment.silence(bound, heard_ms, floor_ms)
        return moment.effects

    def due_at(
        self,
        device: DeviceId,
        state: DeviceState,
        *,
        heard_ms: int | None,
        floor_ms: int,
        seen_ms: int | None = None,
    ) -> int | None:
        """When to call `due` next, epoch milliseconds; None for never. `seen_ms` if that is known better."""
        seen_ms = state.seen_ms if seen_ms is None else seen_ms
        earliest: int | None = None
        watch = state.watch
        for entry in watch.values():
            due_ms = entry.get("due")
            if due_ms is not None and (earliest is None or due_ms < earliest):
                earliest = due_ms
        plan = self._plan(device)
        if plan is not None and seen_ms is not None:
            for bound in plan.silent:
                if f"0/{bound.rule.code}" not in watch:
                    silent_at = max(seen_ms, floor_ms) + (bound.rule.silent_ms or 0)
                    if earliest is None or silent_at < earliest:
                        earliest = silent_at
        return earliest

    def adopt(self, device: DeviceId, state: DeviceState, now_ms: int) -> list[Effect]:
        """After a change of rulebook: alerts whose rule is gone end, everything else is judged again.

        What is pending goes on from its own begin, under the new `for`; what a person must end stays.
        """
        plan = self._plan(device)
        moment = self._moment(plan or Plan(), device, state, now_ms, _NONE)
        for key, entry in list(state.watch.items()):
            part, code = _split(key)
            bound = plan.by_code.get(code) if plan else None
            if bound is None or bound.rule.in_part != (part != SELF):
                if entry["s"] in OPEN:
                    if entry.get("keep"):
                        continue
                    moment.effects.append(ResolveAlert(device, part, code, now_ms, "rule_removed"))
                del state.watch[key]
            elif entry["s"] in OPEN and bound.rule.safety and bound.rule.latch:
                state.watch[key] = {**entry, "keep": 1}
            elif entry["s"] == PENDING:
                state.watch[key] = {**entry, "due": entry["since"] + bound.rule.for_ms}
            elif entry["s"] in (UNSURE, WAITING):
                del state.watch[key]
        for bound in plan.by_code.values() if plan else ():
            for part in list(state.parts):
                if bound.rule.in_part == (part != SELF):
                    moment.judge(bound, part, late=False)
        return moment.effects

    def reset(self, device: DeviceId, state: DeviceState, part: int, code: str, now_ms: int) -> list[Effect]:
        """A person ended an alert. If its condition still holds, a new episode begins at once."""
        plan = self._plan(device)
        moment = self._moment(plan or Plan(), device, state, now_ms, _NONE)
        if not moment.is_open(part, code):
            return []
        moment.resolve(part, code, "reset")
        bound = plan.by_code.get(code) if plan else None
        if bound is not None and bound.rule.silent_ms is None:
            moment.judge(bound, part, late=False)
        return moment.effects

    def _moment(
        self, plan: Plan, device: DeviceId, state: DeviceState, now_ms: int, open_codes: Collection[str]
    ) -> Moment:
        return Moment(self._office, plan, device, state, now_ms, open_codes)

    def _plan(self, device: DeviceId) -> Plan | None:
        try:
            return self._plans[device.kind]
        except KeyError:
            plan = self._plans[device.kind] = plan_for(device.kind, self.rulebook)
            return plan


def _is_about(watch: Mapping[str, Any], part: int) -> bool:
    own = f"{part}/"
    return any(key.startswith(own) for key in watch)


def _all_is_well(plan: Plan, state: DeviceState, part: int, changed: Collection[str]) -> bool:
    """True when a look shows that nothing which changed gives a rule anything to do: the usual case."""
    facts = state.parts.get(part)
    if facts is None:
        return False
    values, index = facts.values, plan.inner if part else plan.own
    for name in changed:
        if not part and name in plan.inner_by_own:
            return False
        for bound in index.get(name, ()):
            calm = bound.calm
            if calm is not None:
                value = values.get(calm.name)
                if value.__class__ in NUMBERS and calm.above < value < calm.below:
                    continue
            if not bound.is_well(state, part):
                return False
    return True


def _is_plain(value: Any) -> bool:
    return isinstance(value, (bool, int, float, str))


def _split(key: str) -> tuple[int, str]:
    part, _, code = key.partition("/")
    return int(part), code
