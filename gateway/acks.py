"""The hub's promise to a speaker: what of its messages is kept for good."""

from __future__ import annotations

from domain import topics
from domain.ids import DeviceId
from domain.watermark import Watermark
from gateway.fleet import Boot
from gateway.overlay import Overlay


def encode_ack(
    boot: str, watermark: Watermark, batch: list[int], conn: int | None, now_ms: int, store: str
) -> bytes:
    """`upto` passes everything kept or given up; `also` are inclusive ranges above it, this batch's first."""
    also = ",".join(f"[{first},{last}]" for first, last in watermark.also(batch)) if watermark.ranges else ""
    known = "null" if conn is None or conn < 0 else str(conn)
    return (
        f'{{"boot":"{boot}","upto":{watermark.upto},"also":[{also}],"conn":{known},"now":{now_ms},"store":"{store}"}}'
    ).encode()


def acks_for(overlay: Overlay, store: str) -> list[tuple[str, bytes]]:
    """An ack for every speaker and boot that a batch heard of, duplicates and links included."""
    acks = []
    for (id_, name), boot in overlay.boots.items():
        if boot.heard or overlay.conns.get(id_) == name:
            acks.append(_ack(overlay, id_, name, boot, store))
    for id_, name in overlay.conns.items():
        if (id_, name) not in overlay.boots:
            known = overlay.speaker(id_).boots.get(name)
            if known is not None:
                acks.append(_ack(overlay, id_, name, known, store))
    return acks


def _ack(overlay: Overlay, id_: DeviceId, name: str, boot: Boot, store: str) -> tuple[str, bytes]:
    speaker = overlay.speaker(id_)
    conn = speaker.conn if speaker.boot == name else None
    body = encode_ack(name, boot.watermark, boot.heard, conn, overlay.now_ms, store)
    return topics.ack(speaker.adcode, id_), body
