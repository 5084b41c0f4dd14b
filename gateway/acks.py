"""The hub's promise to a speaker: what of its messages is kept for good."""

from __future__ import annotations

from domain import topics
from domain.watermark import Watermark
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
    for (id_, name), seqs in overlay.seqs.items():
        boot = overlay.boots.get((id_, name))
        if boot is not None:
            speaker = overlay.speaker(id_)
            conn = speaker.conn if speaker.boot == name else None
            body = encode_ack(name, boot.watermark, seqs, conn, overlay.now_ms, store)
            acks.append((topics.ack(speaker.adcode, id_), body))
    for id_, name in overlay.conns.items():
        if (id_, name) not in overlay.seqs:
            speaker = overlay.speaker(id_)
            boot = overlay.boots.get((id_, name)) or speaker.boots.get(name)
            if boot is not None:
                conn = speaker.conn if speaker.boot == name else None
                acks.append(
                    (
                        topics.ack(speaker.adcode, id_),
                        encode_ack(name, boot.watermark, [], conn, overlay.now_ms, store),
                    )
                )
    return acks
