"""Messages one by one, as the hours in columns that a storage would hand out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from devices.kind import Kind
from devices.state import SELF
from rules.stored import StoredMessage
from rules.track import Heads, Hours, Shared, Sheet, Track, message_of, sort_out

HOURS_MS = 3 * 3_600_000


def in_hours(messages: Iterable[StoredMessage], kinds: Iterable[Kind]) -> Iterator[Hours]:
    """Some hours at a time, by when the messages count; what is received later stands alone."""
    messages = sorted(messages, key=lambda one: (one.at_ms, one.seq))
    known = {kind.name: kind for kind in kinds}
    late: list[StoredMessage] = []
    while messages:
        end_ms = messages[0].at_ms + HOURS_MS
        here = [one for one in messages if one.at_ms < end_ms]
        messages = messages[len(here) :]
        alone = [*late, *(one for one in here if one.event is not None)]
        tracks: list[Track] = []
        for device in sorted({one.device for one in here}, key=str):
            reports = [one for one in here if one.device == device and one.event is None]
            heads, sheets = _columns(reports, known[device.kind])
            track, odd = sort_out(device, heads, sheets, end_ms)
            tracks += [] if track is None else [track]
            alone += [message_of(device, heads, sheets, at) for at in odd]
        alone.sort(key=lambda one: (one.received_ms, one.seq))
        late = [one for one in alone if one.received_ms >= end_ms]
        yield Hours(tracks, [one for one in alone if one.received_ms < end_ms])
    yield Hours([], late)


def _columns(reports: list[StoredMessage], kind: Kind) -> tuple[Heads, dict[int, Sheet]]:
    heads = Heads(
        tuple(one.at_ms for one in reports),
        tuple(one.seq for one in reports),
        tuple(one.boot for one in reports),
        tuple(one.received_ms for one in reports),
        tuple(one.speaker for one in reports),
        tuple(one.device_ts_ms for one in reports),
        (None,) * len(reports),
    )
    own = Shared(tuple(kind.metrics), kind.metrics)
    inner = Shared(tuple(kind.part_metrics), kind.part_metrics)
    sheets = {SELF: Sheet([tuple(one.fields.get(n) for one in reports) for n in own.names], own)}
    for part in sorted({part for one in reports for part in one.parts}):
        columns = [tuple(one.parts.get(part, {}).get(n) for one in reports) for n in inner.names]
        sheets[part] = Sheet(columns, inner, {at for at, one in enumerate(reports) if part not in one.parts})
    return heads, sheets
