"""A silence after bad news: a part that was hot and then says nothing any more is taken for the worst."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rules.giving_way import holders

if TYPE_CHECKING:
    from rules.alert_life import Moment
    from rules.sight import BoundRule

ARMED: Final = "armed"
"""What was last said is bad, and the time within which more must be heard is running."""
AGAIN_MS: Final = 30_000
"""While another alert keeps it back, look again after this."""


def judge_hush(
    moment: Moment,
    bound: BoundRule,
    part: int,
    entry: dict[str, Any] | None,
    at_deadline: bool,
    floor_ms: int,
) -> None:
    """What was last said counts, however old, until something better is said. Nothing counts as silence
    before `floor_ms`, when the hub had caught up."""
    rule, state, now_ms = bound.rule, moment.state, moment.now_ms
    assert rule.when is not None
    assert rule.silent_ms is not None
    last = bound.newer(state, part, -1, now_ms)
    if moment.office.holds(rule.code, rule.when, last.facts) is not True:
        state.watch.pop(f"{part}/{rule.code}", None)
        return
    # The part was last heard before the device by as much as its facts are older than the newest.
    newest_ms = max(mark.at_ms for one in state.parts.values() for mark in one.marks.values())
    seen_ms = now_ms if state.seen_ms is None else state.seen_ms
    heard_ms = min(now_ms, seen_ms - max(0, newest_ms - last.at_ms))
    begins_ms = max(heard_ms, floor_ms)
    if now_ms - begins_ms < rule.silent_ms:
        moment.put(part, bound, {"s": ARMED, "due": begins_ms + rule.silent_ms})
    elif by := holders(moment, rule, part):
        moment.put(part, bound, {"s": ARMED, "due": now_ms + AGAIN_MS, "by": by})
    elif entry is not None and at_deadline:
        held_by = tuple(entry.get("by", ()))
        moment.fire(bound, part, heard_ms, last.facts, act=True, on=True, cause="silent", held_by=held_by)
