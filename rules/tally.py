"""What a back-test found, counted: alerts of each rule and county under two rulebooks, with examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from domain.facts import Value
from domain.ids import DeviceId
from rules.side_by_side import Side
from rules.stored import Episode

Book = Literal["before", "after"]
BOOKS: Final[tuple[Book, Book]] = ("before", "after")
EXAMPLES: Final = 3


class Example(NamedTuple):
    """One alert that fired: where, when by the device, with what values, and until when (None: the end)."""

    device: DeviceId
    part: int
    begun_ms: int
    ended_ms: int | None
    values: Mapping[str, Value]
    text_zh: str
    text_en: str


@dataclass(slots=True)
class RuleTally:
    """One rule under one rulebook. `open_ms` is how long its alerts were open in all, `flaps` how often one
    that was open began again, `failed` how often its condition could not be evaluated."""

    alerts: Counter[str] = field(default_factory=Counter)
    """By county (adcode)."""
    open_ms: int = 0
    still_open: int = 0
    flaps: int = 0
    failed: int = 0
    examples: list[Example] = field(default_factory=list)

    def add(self, adcode: str, episode: Episode, end_ms: int) -> None:
        """Count one alert; the first of each of three stations stand as examples."""
        alert, ended_ms, _, flaps = episode
        self.alerts[adcode] += 1
        self.open_ms += max(0, (end_ms if ended_ms is None else ended_ms) - alert.happened_ms)
        self.still_open += ended_ms is None
        self.flaps += flaps
        self.show(
            Example(
                alert.device, alert.part, alert.happened_ms, ended_ms,
                alert.values, alert.text_zh, alert.text_en,
            )
        )  # fmt: skip

    def show(self, example: Example) -> None:
        """Keep it as an example if it tells of another station than those that are kept."""
        kept = self.examples
        if len(kept) < EXAMPLES:
            kept.append(example)
            return
        known = {one.device.station for one in kept}
        if len(known) < EXAMPLES and example.device.station not in known:
            seen: set[str] = set()
            for at, one in enumerate(kept):
                if one.device.station in seen:
                    kept[at] = example
                    return
                seen.add(one.device.station)

    def merge(self, other: RuleTally) -> None:
        """Add what was counted elsewhere."""
        self.alerts.update(other.alerts)
        self.open_ms += other.open_ms
        self.still_open += other.still_open
        self.flaps += other.flaps
        self.failed += other.failed
        for example in other.examples:
            self.show(example)


@dataclass(slots=True)
class Tally:
    """The whole count. `rules` by rulebook and code."""

    end_ms: int
    rules: dict[tuple[Book, str], RuleTally] = field(default_factory=dict)
    stations: int = 0
    devices: int = 0
    messages: int = 0

    def of(self, book: Book, code: str) -> RuleTally:
        """The count of one rule, to change."""
        return self.rules.setdefault((book, code), RuleTally())

    def note(self, side: Side, adcode: str, episode: Episode) -> None:
        """Count an alert under the rulebooks that hold its rule."""
        for book in BOOKS if side == "both" else (side,):
            self.of(book, episode.alert.code).add(adcode, episode, self.end_ms)

    def note_failed(self, side: Side, failed: Mapping[str, int]) -> None:
        """Count conditions that could not be evaluated, by code."""
        for code, count in failed.items():
            for book in BOOKS if side == "both" else (side,):
                self.of(book, code).failed += count

    def merge(self, other: Tally) -> None:
        """Add the count of other stations."""
        for (book, code), counted in other.rules.items():
            self.of(book, code).merge(counted)
        self.stations += other.stations
        self.devices += other.devices
        self.messages += other.messages

    def alerts(self, book: Book) -> int:
        """All alerts under one rulebook."""
        return sum(one.alerts.total() for (which, _), one in self.rules.items() if which == book)

    def summary(self) -> str:
        """One line: `31 alerts instead of 412`."""
        before, after = self.alerts("before"), self.alerts("after")
        said = f"{after} alert{'' if after == 1 else 's'}"
        return f"{said}, as before" if before == after else f"{said} instead of {before}"

    def rows(self, severities: Mapping[str, str]) -> list[RuleRow]:
        """A row for each rule of either rulebook, those whose count changes most first."""
        rows = [
            RuleRow(code, severity, *(self.rules.get((book, code), RuleTally()) for book in BOOKS))
            for code, severity in severities.items()
        ]
        return sorted(rows, key=lambda row: (-abs(row.change), -row.most, row.code))


class RuleRow(NamedTuple):
    """One rule, counted twice."""

    code: str
    severity: str
    before: RuleTally
    after: RuleTally

    @property
    def change(self) -> int:
        """How many alerts more (or fewer) the new rulebook raises."""
        return self.after.alerts.total() - self.before.alerts.total()

    @property
    def most(self) -> int:
        """The greater of the two counts."""
        return max(self.after.alerts.total(), self.before.alerts.total())

    def counties(self) -> Iterable[tuple[str, int, int]]:
        """Adcode, alerts before, alerts after; in the order of the codes."""
        for adcode in sorted({*self.before.alerts, *self.after.alerts}):
            yield adcode, self.before.alerts[adcode], self.after.alerts[adcode]


def as_data(tally: Tally, severities: Mapping[str, str], from_ms: int) -> dict[str, Any]:
    """The whole count as plain data, for JSON; times in epoch milliseconds, lengths in seconds."""
    return {
        "from_ms": from_ms,
        "to_ms": tally.end_ms,
        "stations": tally.stations,
        "devices": tally.devices,
        "messages": tally.messages,
        "before": tally.alerts("before"),
        "after": tally.alerts("after"),
        "summary": tally.summary(),
        "rules": [
            {
                "code": row.code,
                "severity": row.severity,
                "before": _counted(row.before),
                "after": _counted(row.after),
                "counties": [
                    {"adcode": adcode, "before": before, "after": after}
                    for adcode, before, after in row.counties()
                ],
            }
            for row in tally.rows(severities)
        ],
    }


def _counted(rule: RuleTally) -> dict[str, Any]:
    return {
        "alerts": rule.alerts.total(),
        "open_s": rule.open_ms // 1000,
        "still_open": rule.still_open,
        "flaps": rule.flaps,
        "failed": rule.failed,
        "examples": [
            {
                "station": one.device.station,
                "device": one.device.short,
                "part": one.part,
                "begun_ms": one.begun_ms,
                "lasted_s": None if one.ended_ms is None else (one.ended_ms - one.begun_ms) // 1000,
                "values": dict(one.values),
                "text_zh": one.text_zh,
                "text_en": one.text_en,
            }
            for one in rule.examples
        ],
    }
