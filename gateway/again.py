"""The short way of a message that says again what is known; nine of ten do."""

from __future__ import annotations

from typing import Any

from devices.fold import same_until_ms
from devices.state import SELF
from domain.clock_offset import near_time
from domain.facts import Mark
from gateway.fleet import Route
from gateway.overlay import Overlay, Same
from storage.series_row import SeriesRow
from transport.inbox import Incoming

NOTHING: dict[Any, Any] = {}


def said_again(overlay: Overlay, incoming: Incoming, route: Route, caught_up: bool) -> bool:
    """Take a message whose content and place in the sequence are as expected; False, with nothing
    changed, where the long way must look.

    Its row, its number and its age are all that it leaves behind, as on the long way.
    """
    generation, _, topic, payload, received_ms = incoming
    found = route.find(payload)
    state, boot = route.state, route.speaker.current
    if found is None or boot is None or generation < 0:
        return False
    ts_ms, name, seq, low, fields = found
    watermark = boot.watermark
    if (
        name != boot.name_bytes
        or watermark.ranges
        or seq != watermark.upto + 1
        or low > seq
        or state.held_by == overlay.number
        or state.watch
        or boot.clock_fault
        or (caught_up and boot.clock_fault is None)
    ):
        return False
    timing = near_time(ts_ms, received_ms, boot.offset_ms)
    if timing is None:
        return False
    at_ms, offset_ms = timing
    member = route.member
    device, kind, speaker, _ = member
    if overlay.speakers and speaker in overlay.speakers:
        return False
    mark = Mark(boot.since_ms, seq, at_ms)
    facts = state.parts[SELF]
    until_ms = facts.repeats(fields, mark) or same_until_ms(kind.derived, facts, fields, mark)
    if not until_ms:
        return False
    before = overlay.same.get(id(state))
    if before is not None and before.fields is not fields:
        return False
    if boot.before is None:
        boot.begin_change()
        overlay.boots[boot] = None
    watermark.upto = seq
    boot.seen_ms, boot.offset_ms = received_ms, offset_ms
    newest_ms = boot.newest_ts_ms
    if newest_ms is None or ts_ms > newest_ms:
        boot.newest_ts_ms = ts_ms
    if speaker.station in overlay.fleet.watched:
        overlay.heard.add(speaker.station)
    if received_ms - at_ms > overlay.fleet.late_ms:
        overlay.boot_rows[boot] = None
    overlay.again += 1
    if at_ms < state.refresh_at_ms:
        overlay.same[id(state)] = Same(device, state, fields, mark, until_ms, received_ms)
    else:
        # What its station's row tells of it is getting old: the row wants these ages.
        younger = overlay.state_for_change(device)
        younger.part_for_change(SELF, state).repeat(fields, mark, until_ms)
        younger.seen_ms = received_ms
        overlay.exports.add(device)
    row = SeriesRow(
        device, speaker, boot.name, seq, at_ms, ts_ms, received_ms, fields, NOTHING, NOTHING, topic, payload,
    )  # fmt: skip
    overlay.rows_of(kind.name).append(row)
    return True
