"""The hub's promise to a speaker: what of its messages is kept for good."""

from __future__ import annotations

from domain.watermark import Watermark
from gateway.overlay import Overlay


def encode_ack(
    boot: str, watermark: Watermark, batch: list[int], conn: int | None, now_ms: int, store: str
) -> bytes:
    """`upto` passes everything kept or given up; `also` are inclusive ranges above it, this batch's first."""
    also = ",".join(f"[{first},{last}]" for first, last in watermark.also(batch)) if watermark.ranges else ""
    known = "null" if conn is None or conn < 0 else conn
    return (
        f'{{"boot":"{boot}","upto":{watermark.upto},"also":[{also}],"conn":{known},"now":{now_ms},"store":"{store}"}}'
    ).encode()


def acks_for(overlay: Overlay, store: str) -> list[tuple[str, bytes]]:
    """An ack for every boot that a committed batch heard of, duplicates and links included."""
    acks, now_ms = [], overlay.now_ms
    for boot in overlay.boots:
        speaker = boot.speaker
        conn = speaker.conn if speaker.current is boot else None
        acks.append(
            (speaker.ack_topic, encode_ack(boot.name, boot.watermark, boot.heard, conn, now_ms, store))
        )
    return acks
