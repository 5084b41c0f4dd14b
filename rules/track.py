"""Hours of reports of one device as columns, in the order in which they came: one look goes over many."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from itertools import compress
from operator import le, lt, sub
from typing import Any, Final, NamedTuple

from devices.kind import Metric
from devices.state import SELF
from domain.clock_offset import TOLERANCE_MS
from domain.facts import Value
from domain.ids import DeviceId
from rules.stored import StoredMessage

PROMPT_MS: Final = 60_000
"""What is older than this on its arrival stands alone."""
GAP_MS: Final = 150_000
"""After so long a silence, a report is looked at whatever it says."""
_MOST_SHARED: Final = 50_000

Fields = Mapping[str, Value]
Column = Sequence[Any]


class Heads(NamedTuple):
    """What stands beside the values of each report, a column each; `extra` says that values were out of
    their range."""

    at_ms: Sequence[int]
    seq: Sequence[int]
    boot: Sequence[str]
    received_ms: Sequence[int]
    speaker: Sequence[DeviceId]
    device_ts_ms: Sequence[int | None]
    extra: Sequence[str | None]


class Shared:
    """Turns values into fields. Reports that say the same share them: nobody changes them."""

    def __init__(self, names: tuple[str, ...], metrics: Mapping[str, Metric]) -> None:
        self.names = names
        self._truths = [name for name in names if metrics[name].type == "bool"]
        self._known: dict[tuple[Any, ...], Fields] = {}

    def fields(self, values: tuple[Any, ...]) -> Fields:
        """The fields that are known; the same object for the same values."""
        found = self._known.get(values)
        if found is None:
            if len(self._known) >= _MOST_SHARED:
                self._known.clear()
            made = {n: v for n, v in zip(self.names, values, strict=True) if v is not None}
            for name in self._truths:
                if name in made:
                    made[name] = bool(made[name])
            found = self._known[values] = made
        return found


class Sheet:
    """The values of a device, or of one part, in each of the reports. `absent` are the reports that say
    nothing of the part, `still` names of which all reports say the same."""

    __slots__ = ("_greatest", "_least", "_shared", "absent", "columns", "mixed", "said", "still")

    def __init__(
        self,
        columns: Sequence[Column],
        shared: Shared,
        absent: Collection[int] = (),
        still: frozenset[str] = frozenset(),
    ) -> None:
        self._shared = shared
        self.absent = absent
        self.still = still
        self.columns: dict[str, Column] = dict(zip(shared.names, columns, strict=True))
        self.said: set[str] = set()
        """Names that every report knows."""
        self.mixed: set[str] = set()
        """Names that some reports know."""
        self._least: dict[str, Any] = {}
        self._greatest: dict[str, Any] = {}
        for name, column in self.columns.items():
            try:
                least = column[0] if name in still else min(column)
            except TypeError:  # some are None: twice as fast as to look for it
                least = None
            if least is not None:
                self.said.add(name)
                self._least[name] = least
            elif column.count(None) < len(column):
                self.mixed.add(name)

    def is_within(self, name: str, low: float, high: float) -> bool:
        """True when all that is said of this lies within; every report must know it."""
        if self._least[name] < low:
            return False
        if high == math.inf:
            return True
        greatest = self._greatest.get(name)
        if greatest is None:
            column = self.columns[name]
            greatest = self._greatest[name] = column[0] if name in self.still else max(column)
        return bool(greatest <= high)

    def fields(self, at: int) -> Fields:
        """What one report says."""
        return self._shared.fields(tuple([column[at] for column in self.columns.values()]))

    def only(self, chosen: Sequence[bool]) -> Sheet:
        """Of these reports only."""
        columns = [tuple(compress(one, chosen)) for one in self.columns.values()]
        return Sheet(columns, self._shared, still=self.still)


class Track:
    """Reports of one run of one speaker, each prompt and newer than the one before. `sheets` are those of the
    device itself (SELF) and of its parts."""

    __slots__ = ("device", "gaps", "heads", "sheets")

    def __init__(self, device: DeviceId, heads: Heads, sheets: Mapping[int, Sheet]) -> None:
        self.device = device
        self.heads = heads
        self.sheets = sheets
        waits = map(sub, heads.received_ms[1:], heads.received_ms)
        self.gaps = [at for at, wait_ms in enumerate(waits, 1) if wait_ms > GAP_MS]
        """The reports that follow a gap."""

    def __len__(self) -> int:
        return len(self.heads.at_ms)

    @property
    def at_ms(self) -> Sequence[int]:
        """When each report counts."""
        return self.heads.at_ms

    @property
    def received_ms(self) -> Sequence[int]:
        """When each report was received."""
        return self.heads.received_ms

    @property
    def speaker(self) -> DeviceId:
        """Who sent them all."""
        return self.heads.speaker[0]

    @property
    def boot(self) -> str:
        """In which of its runs."""
        return self.heads.boot[0]

    def message(self, at: int) -> StoredMessage:
        """One of the reports."""
        return message_of(self.device, self.heads, self.sheets, at)


class Hours(NamedTuple):
    """What came in some hours: tracks, and what stands alone in the order in which it came."""

    tracks: list[Track]
    singles: list[StoredMessage]


def sort_out(
    device: DeviceId, heads: Heads, sheets: Mapping[int, Sheet], before_ms: int
) -> tuple[Track | None, list[int]]:
    """The reports of a device, ordered by their time, that make a track, and which ones do not. What was
    received at `before_ms` or later, or does not speak of every part, makes none."""
    if not heads.at_ms:
        return None, []
    chosen = _chosen(heads, before_ms)
    for sheet in sheets.values():
        for at in sheet.absent:
            chosen[at] = False
    odd = [at for at, good in enumerate(chosen) if not good]
    if not odd:
        return Track(device, heads, sheets), odd
    if len(odd) == len(chosen):
        return None, odd
    kept = Heads(*[tuple(compress(column, chosen)) for column in heads])  # type: ignore[arg-type]
    return Track(device, kept, {n: sheet.only(chosen) for n, sheet in sheets.items()}), odd


def message_of(device: DeviceId, heads: Heads, sheets: Mapping[int, Sheet], at: int) -> StoredMessage:
    """One report of those that are given as columns."""
    inner = {n: one.fields(at) for n, one in sheets.items() if n != SELF and at not in one.absent}
    return StoredMessage(
        heads.received_ms[at], heads.seq[at], device, heads.speaker[at], heads.boot[at], heads.at_ms[at],
        heads.device_ts_ms[at], sheets[SELF].fields(at), inner,
    )  # fmt: skip


def _chosen(heads: Heads, before_ms: int) -> list[bool]:
    count = len(heads.at_ms)
    if _is_even(heads):
        end = bisect_left(heads.received_ms, before_ms)
        return [True] * end + [False] * (count - end)
    last_seq = last_at_ms = last_ms = -1
    run: tuple[str, DeviceId] | None = None
    chosen = []
    for at_ms, seq, boot, received_ms, speaker, ts_ms, extra in zip(*heads, strict=True):
        good = (
            extra is None
            and seq > last_seq
            and at_ms > last_at_ms
            and last_ms <= received_ms < before_ms
            and received_ms - at_ms < PROMPT_MS
            and (ts_ms is None or -TOLERANCE_MS <= received_ms - ts_ms <= TOLERANCE_MS)
            and run in (None, (boot, speaker))
        )
        if good:
            last_seq, last_at_ms, last_ms, run = seq, at_ms, received_ms, (boot, speaker)
        chosen.append(good)
    return chosen


def _is_even(heads: Heads) -> bool:
    """True when all is as it should be, which a few looks over whole columns show."""
    at_ms, seq, boot, received_ms, speaker, ts_ms, extra = heads
    count = len(at_ms)
    if extra.count(None) < count or boot.count(boot[0]) < count or speaker.count(speaker[0]) < count:
        return False
    if not (all(map(lt, at_ms, at_ms[1:])) and all(map(lt, seq, seq[1:]))):
        return False
    if not all(map(le, received_ms, received_ms[1:])) or max(map(sub, received_ms, at_ms)) >= PROMPT_MS:
        return False
    if None in ts_ms:
        return ts_ms.count(None) == count
    delays: list[int] = list(map(sub, received_ms, ts_ms))
    return min(delays) >= -TOLERANCE_MS and max(delays) <= TOLERANCE_MS
