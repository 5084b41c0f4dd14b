"""The hub's promise to a speaker: what of its messages is kept for good."""

from __future__ import annotations

from gateway.fleet import Boot
from gateway.overlay import Overlay


def acks_for(overlay: Overlay, store: str) -> list[tuple[str, bytes]]:
    """An ack for every boot that a committed batch heard of, duplicates and links included."""
    now_ms = overlay.now_ms
    return [(boot.speaker.ack_topic, _ack(boot, now_ms, store)) for boot in overlay.boots]


def _ack(boot: Boot, now_ms: int, store: str) -> bytes:
    speaker, watermark = boot.speaker, boot.watermark
    conn = speaker.conn if speaker.current is boot and speaker.conn >= 0 else "null"
    also = ""
    if watermark.ranges:
        also = ",".join(f"[{first},{last}]" for first, last in watermark.also(boot.heard))
    return (
        f'{{"boot":"{boot.name}","upto":{watermark.upto},"also":[{also}],"conn":{conn},"now":{now_ms},"store":"{store}"}}'
    ).encode()
