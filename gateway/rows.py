"""What a batch decided, as the rows that its transaction writes."""

from __future__ import annotations

from domain.ids import DeviceId
from gateway.basis import basis_of
from gateway.overlay import Ended, Opened, Overlay
from storage import states
from storage.alerts import Ending, NewAlert


def speaker_row(overlay: Overlay, id_: DeviceId) -> states.SpeakerRow:
    """A speaker after this batch."""
    speaker = overlay.speaker(id_)
    boot = speaker.current
    return states.SpeakerRow(
        speaker=id_,
        link=speaker.link,
        conn=speaker.conn,
        boot=speaker.boot,
        boot_since_ms=boot.since_ms if boot else None,
        seen_ms=boot.seen_ms if boot else speaker.seen_ms,
        dropped=speaker.dropped,
        versions=speaker.versions,
        link_changed_ms=speaker.link_changed_ms,
    )


def new_alert(overlay: Overlay, opened: Opened) -> NewAlert:
    """An alert that opens, with what it rests on."""
    effect = opened.effect
    return NewAlert(
        id=opened.id,
        adcode=opened.adcode,
        device=effect.device,
        part=effect.part,
        code=effect.code,
        severity=effect.severity,
        safety=effect.safety,
        rulebook_version=effect.rulebook_version,
        latched=effect.latch,
        happened_ms=effect.happened_ms,
        learned_ms=effect.learned_ms,
        refuse_entry=effect.refuse_entry,
        values=effect.values,
        text_zh=effect.text_zh,
        text_en=effect.text_en,
        basis=basis_of(overlay, effect),
    )


def ending(ended: Ended) -> Ending:
    """An alert that ends."""
    return Ending(ended.key.device, ended.key.part, ended.key.code, ended.at_ms, ended.reason)
