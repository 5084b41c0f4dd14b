"""What rules have under way for a device, as conditions that must go on as they are for it to rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from devices.state import DeviceState
from rules.alert_life import FIRING, PENDING
from rules.conditions import Condition
from rules.judges import Judge
from rules.safe_box import FOREVER_MS


class Standing(NamedTuple):
    """As long as the conditions keep their verdicts, no report changes anything until `until_ms`."""

    part: int
    verdicts: tuple[tuple[Condition, bool], ...]
    until_ms: int = FOREVER_MS


def standing_of(judge: Judge, state: DeviceState) -> Iterator[Standing | None]:
    """Everything under way by the rules of a judge; None for what any report may move."""
    for key, entry in state.watch.items():
        part, _, code = key.partition("/")
        rule = judge.watcher.rulebook.find(code)
        if rule is None or "seen" in entry:
            yield None
        elif entry["s"] == PENDING and rule.when is not None and not entry.keys() & {"r", "by"}:
            yield Standing(int(part), ((rule.when, True),), entry["since"] + rule.for_ms)
        elif entry["s"] != FIRING or "due" in entry:
            yield None
        elif rule.latch:
            yield Standing(int(part), ((rule.when, True),) if rule.when is not None and entry["on"] else ())
        elif rule.when is None or "r" in entry or not (entry["on"] or rule.clear):
            yield None
        else:
            # That it is not true any more is shown for every rule that has nothing under way, too.
            on = ((rule.when, True),) if entry["on"] else ()
            over = () if rule.clear is None else ((rule.clear, False),)
            yield Standing(int(part), (*on, *over))
