"""The hub's promise to a speaker: what of its messages is kept for good."""

from __future__ import annotations

from domain.watermark import Watermark


def encode_ack(boot: str, watermark: Watermark, batch: list[int], conn: int | None, now_ms: int, store: str) -> bytes:
    """`upto` passes everything kept or given up; `also` are inclusive ranges above it, this batch's first."""
    also = ",".join(f"[{first},{last}]" for first, last in watermark.also(batch)) if watermark.ranges else ""
    known = "null" if conn is None or conn < 0 else str(conn)
    return (
        f'{{"boot":"{boot}","upto":{watermark.upto},"also":[{also}],"conn":{known},"now":{now_ms},"store":"{store}"}}'
    ).encode()
