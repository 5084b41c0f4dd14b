"""Whether a lock can be reached, from its speaker's last word and from when it was last heard."""

from __future__ import annotations

from sqlalchemy import Connection

from devices.registry import kinds
from domain.errors import NotFound
from domain.ids import DeviceId
from rules.liveness import Link, SpeakerWord, link_state
from storage import registry, states
from storage.states import SpeakerRow


def link_of(conn: Connection, device: DeviceId, now_ms: int) -> tuple[Link, SpeakerRow | None]:
    """The link of a registered device, and its speaker's row; raises NotFound for an unknown device."""
    speaker = registry.get_device(conn, device).speaker
    row = next((one for one in states.load_speakers(conn, device.station) if one.speaker == speaker), None)
    state = states.get_state(conn, device)
    return judged(row, state.seen_ms if state else None, device.kind, now_ms), row


def judged(row: SpeakerRow | None, heard_ms: int | None, kind: str, now_ms: int) -> Link:
    """The link as it is now: a speaker's row is written when its word changes, not with each message."""
    if row is None:
        return "unknown"
    known = kinds().get(kind)
    if known is None:
        raise NotFound(f"There is no kind {kind!r}.")
    seen_ms = max((ms for ms in (row.seen_ms, heard_ms) if ms is not None), default=None)
    return link_state(SpeakerWord(row.link, row.link_changed_ms, seen_ms), now_ms, known.period_s)
