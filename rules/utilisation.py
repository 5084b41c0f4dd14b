"""How long something was up, down, not known or closed: spans of time that cover a period without a gap."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, Literal, NamedTuple, TypeVar

Verdict = Literal["up", "down", "unknown", "closed"]

Number = TypeVar("Number", int, float)

FEW: Final = 2
"""So few visits may be one person's: their number is nobody's business."""


class Claim(NamedTuple):
    """What was said at a time, until something else was said or `valid_until_ms`."""

    at_ms: int
    valid_until_ms: int
    verdict: Verdict


class Span(NamedTuple):
    """From `from_ms` up to, not including, `to_ms`."""

    from_ms: int
    to_ms: int
    verdict: Verdict


class Uptime(NamedTuple):
    """Milliseconds of a period; `closed` is when nobody was meant to come."""

    up_ms: int = 0
    down_ms: int = 0
    unknown_ms: int = 0
    closed_ms: int = 0

    @property
    def total_ms(self) -> int:
        """The whole period."""
        return self.up_ms + self.down_ms + self.unknown_ms + self.closed_ms

    @property
    def up_share(self) -> float | None:
        """Up, of the time of which we know and in which it should have been; None when that is none."""
        known_ms = self.up_ms + self.down_ms
        return self.up_ms / known_ms if known_ms else None

    @property
    def known_share(self) -> float | None:
        """Known, of the time in which it should have been up; None when that is none."""
        wanted_ms = self.up_ms + self.down_ms + self.unknown_ms
        return (self.up_ms + self.down_ms) / wanted_ms if wanted_ms else None

    def plus(self, other: Uptime) -> Uptime:
        """Both periods together."""
        return Uptime(*(one + more for one, more in zip(self, other, strict=True)))


def timeline(claims: Iterable[Claim], from_ms: int, to_ms: int) -> list[Span]:
    """What held when, from claims in order of time; where no claim reaches it is unknown."""
    spans: list[Span] = []
    told = list(claims)
    reached_ms = from_ms
    for at, claim in enumerate(told):
        ends_ms = told[at + 1].at_ms if at + 1 < len(told) else to_ms
        begins_ms = max(claim.at_ms, reached_ms)
        ends_ms = min(ends_ms, claim.valid_until_ms, to_ms)
        if ends_ms <= begins_ms:
            continue
        _add(spans, reached_ms, begins_ms, "unknown")
        _add(spans, begins_ms, ends_ms, claim.verdict)
        reached_ms = ends_ms
    _add(spans, reached_ms, to_ms, "unknown")
    return spans


def either(timelines: Sequence[Sequence[Span]]) -> list[Span]:
    """Several that do the same: up while one is up, down while all are, closed while all are."""
    if len(timelines) == 1:
        return list(timelines[0])
    edges = sorted({edge for spans in timelines for span in spans for edge in (span.from_ms, span.to_ms)})
    at = [0] * len(timelines)
    merged: list[Span] = []
    for begins_ms, ends_ms in pairwise(edges):
        verdicts = set()
        for which, spans in enumerate(timelines):
            while at[which] < len(spans) and spans[at[which]].to_ms <= begins_ms:
                at[which] += 1
            if at[which] < len(spans) and spans[at[which]].from_ms <= begins_ms:
                verdicts.add(spans[at[which]].verdict)
        _add(merged, begins_ms, ends_ms, _of_all(verdicts))
    return merged


def over(spans: Sequence[Span], periods: Iterable[tuple[int, int]], verdict: Verdict) -> list[Span]:
    """The same spans, but with this verdict during the periods, whatever was said."""
    laid = list(spans)
    for begins_ms, ends_ms in periods:
        under, laid = laid, []
        for span in under:
            first, last = max(span.from_ms, begins_ms), min(span.to_ms, ends_ms)
            if last <= first:
                _add(laid, *span)
                continue
            _add(laid, span.from_ms, first, span.verdict)
            _add(laid, first, last, verdict)
            _add(laid, last, span.to_ms, span.verdict)
    return laid


def uptime(spans: Iterable[Span], from_ms: int, to_ms: int) -> Uptime:
    """How much of each there is within a period."""
    lengths: dict[Verdict, int] = {"up": 0, "down": 0, "unknown": 0, "closed": 0}
    for span in spans:
        lengths[span.verdict] += max(0, min(span.to_ms, to_ms) - max(span.from_ms, from_ms))
    return Uptime(lengths["up"], lengths["down"], lengths["unknown"], lengths["closed"])


def counted(totals: Iterable[Number]) -> Number | Literal[0]:
    """How far a counter went that may begin again from nothing."""
    gone: Number | Literal[0] = 0
    known: Number | None = None
    for total in totals:
        if known is not None:
            gone += total - known if total >= known else total
        known = total
    return gone


def dwell_min(person_ms: int, visits: int | None) -> float | None:
    """How long people stayed on average, from how many were inside and how many came; None if nobody did."""
    return person_ms / visits / 60_000 if visits else None


def _of_all(verdicts: set[Verdict]) -> Verdict:
    for one in ("up", "unknown", "down"):
        if one in verdicts:
            return one
    return "closed" if verdicts else "unknown"


def _add(spans: list[Span], from_ms: int, to_ms: int, verdict: Verdict) -> None:
    if to_ms <= from_ms:
        return
    if spans and spans[-1].verdict == verdict and spans[-1].to_ms == from_ms:
        spans[-1] = Span(spans[-1].from_ms, to_ms, verdict)
    else:
        spans.append(Span(from_ms, to_ms, verdict))
