"""Content that was read once is found again by its bytes, and only when nothing about it is doubtful."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.decode import decode_telemetry
from devices.registry import kinds
from devices.said_before import MAX_KNOWN, SaidBefore
from domain.errors import BadMessage

LOCK = kinds()["door_lock"]
TS = 1_790_000_000_000


def payload(seq: int = 5, *, low: int = 3, ts: Any = TS, boot: str = "k3x9", **content: Any) -> bytes:
    body = {"v": 1, "ts": ts, "boot": boot, "seq": seq, "low": low, **content}
    return json.dumps(body, separators=(",", ":")).encode()


def test_the_second_message_of_the_same_content_reads_like_the_first() -> None:
    first = decode_telemetry(LOCK, payload(5, bolt="locked", leaf="closed"))
    second = decode_telemetry(
        LOCK, payload(6, low=4, ts=TS + 500, boot="other", bolt="locked", leaf="closed")
    )
    assert second.fields is first.fields
    assert second.envelope == (TS + 500, "other", 6, 4)
    assert (second.parts, second.extra) == ({}, {})


@pytest.mark.parametrize(
    "again",
    [
        payload(6, low=9, bolt="locked"),
        payload(6, ts=TS // 1000, bolt="locked"),
        payload(6, boot="no spaces", bolt="locked"),
        payload(6, bolt="locked").replace(b'"v":1', b'"v":2'),
        payload(6, bolt="locked").replace(b'"seq":6', b'"seq":06'),
        payload(6, bolt="locked").replace(b'"bolt"', b'"seq":9,"bolt"'),
    ],
)
def test_a_wrong_envelope_is_refused_although_its_content_is_known(again: bytes) -> None:
    decode_telemetry(LOCK, payload(5, bolt="locked"))
    with pytest.raises(BadMessage):
        decode_telemetry(LOCK, again)


def test_unknown_fields_and_values_out_of_range_are_looked_at_each_time() -> None:
    for seq in (5, 6):
        reading = decode_telemetry(LOCK, payload(seq, battery_pct=400.0, new_thing=1))
        assert reading.extra == {"battery_pct": 400.0, "new_thing": 1}
        assert reading.fields["battery_pct"] is None


@given(
    bolt=st.sampled_from(["locked", "unlocked", "jammed", None]),
    leaf=st.sampled_from(["open", "closed", None]),
    battery=st.floats(0, 100),
)
def test_what_is_found_equals_what_is_read(bolt: str | None, leaf: str | None, battery: float) -> None:
    content: dict[str, Any] = {"bolt": bolt, "leaf": leaf, "battery_pct": battery}
    spaced = json.dumps({"v": 1, "ts": TS, "boot": "b", "seq": 1, "low": 0, **content}).encode()
    decode_telemetry(LOCK, payload(5, **content))
    assert decode_telemetry(LOCK, payload(6, **content)).fields == decode_telemetry(LOCK, spaced).fields


def test_strangers_cannot_fill_the_memory() -> None:
    known = SaidBefore()
    for n in range(MAX_KNOWN + 10):
        known.remember(payload(n, n=n), {"n": n})
    known.remember(payload(1, text="x" * 300), {})
    assert known.find(payload(1, n=0)) is None
    assert known.find(payload(1, text="x" * 300)) is None
    assert known.find(payload(1, n=MAX_KNOWN + 9)) is not None
