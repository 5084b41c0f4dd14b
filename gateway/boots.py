"""Which run of a speaker a message belongs to, which run is the current one, and whether the link is up."""

from __future__ import annotations

from typing import NamedTuple

from devices.decode import LinkWord
from domain.envelope import Envelope
from domain.errors import BadMessage
from domain.facts import Mark
from domain.ids import DeviceId
from gateway.fleet import Boot, LinkState, Speaker
from gateway.overlay import Overlay

KEPT_MS = 30 * 86_400_000
_PLAUSIBLE_DELAY_MS = 86_400_000


class Timed(NamedTuple):
    """When a message's content was true, and its place in the order of facts."""

    at_ms: int
    mark: Mark


def boot_of(overlay: Overlay, speaker_id: DeviceId, envelope: Envelope, received_ms: int) -> Boot:
    """The boot of a message, to change. An unannounced one is current only if it is the newest."""
    boot = overlay.boot_for_change(speaker_id, envelope.boot)
    if boot is not None:
        return boot
    speaker = overlay.speaker_for_change(speaker_id)
    at_ms = envelope.ts_ms if envelope.ts_ms is not None else received_ms
    if received_ms - at_ms > KEPT_MS and envelope.ts_ms is not None and envelope.ts_ms >= 10**11:
        days = (received_ms - at_ms) // 86_400_000
        raise BadMessage(
            "boot_too_old",
            "boot",
            f"is unknown and its messages are {days} days old",
            boot=envelope.boot,
            seq=envelope.seq,
        )
    at_ms = min(at_ms, received_ms)
    current = speaker.current
    if current is None:
        return _begin(overlay, speaker, envelope.boot, at_ms, True)
    newest_ms = current.newest_ts_ms if envelope.ts_ms is not None else current.seen_ms
    if at_ms > (newest_ms or 0):
        return _begin(overlay, speaker, envelope.boot, max(at_ms, current.since_ms + 1), True)
    return _begin(overlay, speaker, envelope.boot, min(at_ms, current.since_ms - 1), False)


def hear_link(overlay: Overlay, speaker_id: DeviceId, word: LinkWord, received_ms: int) -> bool:
    """Take a link message. Returns whether it changed what is known of the link."""
    speaker = overlay.speaker_for_change(speaker_id)
    link = word.link
    boot = overlay.boot_for_change(speaker_id, link.boot)
    since_ms = _believable(word.ts_ms if word.ts_ms is not None else received_ms, received_ms)
    current = speaker.current
    if link.boot != speaker.boot:
        newer = current is None or since_ms > current.since_ms
        if not link.online or not newer:
            if boot is None:
                _begin(
                    overlay,
                    speaker,
                    link.boot,
                    min(since_ms, (current.since_ms if current else since_ms) - 1),
                    False,
                )
            return False
        if boot is None:
            boot = _begin(overlay, speaker, link.boot, since_ms, True)
        else:
            boot.since_ms = max(boot.since_ms, since_ms)
            speaker.current = boot
        speaker.conn = -1
    if boot is not None and word.ts_ms is not None and link.online:
        offset_ms = received_ms - word.ts_ms
        if boot.offset_ms is None or offset_ms < boot.offset_ms:
            boot.offset_ms = offset_ms
    if boot is not None:
        boot.seen_ms = max(boot.seen_ms, received_ms)
        overlay.boot_rows[boot] = None
    if link.conn < speaker.conn:
        return False
    if link.online and (speaker.dropped != link.dropped or speaker.versions != link.versions):
        speaker.dropped, speaker.versions = link.dropped, dict(link.versions)
        overlay.speaker_rows.add(speaker_id)
    state: LinkState = "online" if link.online else "offline"
    if link.conn == speaker.conn and (state == speaker.link or speaker.link == "offline"):
        return False
    changed = state != speaker.link
    speaker.conn = link.conn
    speaker.link = state
    if changed:
        speaker.link_changed_ms = received_ms
    overlay.speaker_rows.add(speaker_id)
    return changed


def _begin(overlay: Overlay, speaker: Speaker, name: str, since_ms: int, current: bool) -> Boot:
    boot = Boot(overlay.fleet.speakers[speaker.id], name, since_ms)
    boot.begin_change()
    overlay.boots[boot] = overlay.boot_rows[boot] = None
    speaker.boots[name] = boot
    if current:
        speaker.current = boot
        speaker.conn = -1
        overlay.speaker_rows.add(speaker.id)
    return boot


def _believable(at_ms: int, received_ms: int) -> int:
    """A time that may order boots: neither in the future nor more than a day old."""
    if at_ms > received_ms or received_ms - at_ms > _PLAUSIBLE_DELAY_MS:
        return received_ms
    return at_ms
