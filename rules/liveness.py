"""Is it there, is its word fresh, does it do what it is told: three layers, kept apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from devices.kind import Kind
from devices.state import SELF, DeviceState

Link = Literal["online", "offline", "unknown"]
Data = Literal["fresh", "stale", "none"]
Function = Literal["works", "fails", "unknown"]

MISSED_PERIODS = 3
FUNCTION_MS = 24 * 3_600_000


class SpeakerWord(NamedTuple):
    """What is known of a speaker: its last word about its link, when that came, when it was last heard."""

    link: Link
    link_changed_ms: int | None
    seen_ms: int | None


class Told(NamedTuple):
    """A command that ended: when it was asked, and whether the device did it."""

    at_ms: int
    done: bool


def link_state(word: SpeakerWord, now_ms: int, period_s: int) -> Link:
    """Links are hints: three missed periods make one unknown, fresh data make it known."""
    heard = word.seen_ms is not None and now_ms - word.seen_ms < MISSED_PERIODS * period_s * 1000
    if word.link == "offline":
        since_ms = word.link_changed_ms
        spoke_since = word.seen_ms is not None and since_ms is not None and word.seen_ms > since_ms
        return "online" if heard and spoke_since else "offline"
    return "online" if heard else "unknown"


def data_state(kind: Kind, state: DeviceState, now_ms: int) -> Data:
    """`fresh` while at least one metric of the device or of a part counts, `none` if it never reported."""
    reported = False
    for part, facts in state.parts.items():
        for name, mark in facts.marks.items():
            reported = True
            if now_ms - mark.at_ms <= kind.fresh_s(name, part != SELF) * 1000:
                return "fresh"
    return "stale" if reported else "none"


def function_state(told: Iterable[Told], now_ms: int) -> Function:
    """`fails` when the last two commands of a day came to nothing; once may be chance."""
    recent = sorted((one for one in told if now_ms - one.at_ms <= FUNCTION_MS), reverse=True)[:2]
    if not recent:
        return "unknown"
    if recent[0].done:
        return "works"
    return "fails" if len(recent) == 2 and not recent[1].done else "unknown"
