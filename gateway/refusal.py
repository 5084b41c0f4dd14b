"""A message that cannot be used is put aside once, and still counts as heard where its number can be read."""

from __future__ import annotations

from domain import topics
from domain.envelope import Envelope, read_envelope
from domain.errors import BadMessage
from domain.ids import DeviceId
from domain.json_input import parse_object
from gateway.boots import boot_of
from gateway.fleet import Boot
from gateway.overlay import Overlay
from transport.inbox import Incoming


def refuse(overlay: Overlay, incoming: Incoming, bad: BadMessage) -> None:
    """Quarantine a message. With a readable boot and seq its speaker may forget it, as any other."""
    topic = _readable_topic(incoming.topic)
    station = topic.device.station if topic is not None else None
    if topic is not None and bad.boot is not None and bad.seq is not None:
        member = overlay.fleet.members.get(topic.device)
        if member is not None and member.adcode == topic.adcode:
            envelope = _readable_envelope(incoming.payload)
            boot = _boot_of(overlay, member.speaker, bad.boot, envelope, incoming)
            if boot is not None:
                boot.heard.append(bad.seq)
                overlay.boot_rows[boot] = None
                if boot.watermark.has(bad.seq):
                    overlay.count("duplicates")
                    return
                low = None if boot.watermark.upto < 0 else 0
                boot.watermark.add(bad.seq, low if envelope is None else envelope.low)
    overlay.put_aside(incoming, bad, station)


def set_culprit_aside(overlay: Overlay, incoming: Incoming, detail: str) -> None:
    """Quarantine a message that was understood but cannot be kept."""
    bad = BadMessage("culprit", "", detail)
    envelope = _readable_envelope(incoming.payload)
    if envelope is not None:
        bad.boot, bad.seq = envelope.boot, envelope.seq
    refuse(overlay, incoming, bad)


def _boot_of(
    overlay: Overlay, speaker: DeviceId, name: str, envelope: Envelope | None, incoming: Incoming
) -> Boot | None:
    """Its boot, so that the message is kept once; None when that is unknown and cannot be placed."""
    boot = overlay.boot_for_change(speaker, name)
    if boot is not None or envelope is None:
        return boot
    try:
        return boot_of(overlay, speaker, envelope, incoming.received_ms)
    except BadMessage:
        return None


def _readable_topic(address: str) -> topics.Topic | None:
    try:
        return topics.parse(address)
    except BadMessage:
        return None


def _readable_envelope(payload: bytes) -> Envelope | None:
    """The envelope of a message whose content was refused."""
    try:
        return read_envelope(parse_object(payload))
    except BadMessage:
        return None
