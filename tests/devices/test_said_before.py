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

LOCK, CABINET = kinds()["door_lock"], kinds()["swap_cabinet"]
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
    known = SaidBefore[dict[str, int]]()
    for n in range(MAX_KNOWN + 10):
        known.remember(payload(n, n=n), {"n": n})
    known.remember(payload(1, text="x" * 300), {})
    assert known.find(payload(1, n=0)) is None
    assert known.find(payload(1, text="x" * 300)) is None
    assert known.find(payload(1, n=MAX_KNOWN + 9)) is not None


def cabinet(*slots: str, own: str = '"status":"idle",', seq: int = 5) -> bytes:
    said = ",".join(slots)
    return f'{{"v":1,"ts":{TS},"boot":"b","seq":{seq},"low":0,{own}"slots":[{said}]}}'.encode()


def test_a_part_that_was_read_before_is_found_in_the_message_of_any_other() -> None:
    first = decode_telemetry(CABINET, cabinet('{"n":1,"temp_c":21.5}', '{"n":2,"temp_c":22.0}'))
    second = decode_telemetry(CABINET, cabinet('{"n":2,"temp_c":21.5}', own='"status":"taking",'))
    assert second.parts[2] is first.parts[1]
    assert (first.fields, second.fields) == ({"status": "idle"}, {"status": "taking"})
    assert (dict(second.parts), second.extra) == ({2: {"temp_c": 21.5}}, {})


@pytest.mark.parametrize(
    ("again", "path"),
    [
        (cabinet('{"n":1,"temp_c":21.5}', '{"n":1,"temp_c":21.5}'), "slots.1.n"),
        (cabinet('{"n":49,"temp_c":21.5}'), "slots.0.n"),
        (cabinet('{"n":1,"temp_c":"hot"}'), "slots.0.temp_c"),
        (cabinet('{"n":1,"temp_c":21.5}', own='"status":7,'), "status"),
        (cabinet('{"n":01,"temp_c":21.5}'), ""),
        (cabinet('{"n":1,"temp_c":21.5},'), ""),
        (cabinet('{"n":1,}'), ""),
        (cabinet('{"n":1,"temp_c":21.5,"temp_c":21.5}'), ""),
        (cabinet('{"n":1,"temp_c":21.5}', own='"slots":null,'), ""),
        (cabinet('{"n":1,"temp_c":21.5}', own='"status":"idle","status":"idle",'), ""),
        (cabinet('{"n":1,"temp_c":21.5}')[:-1], ""),
        (cabinet('{"n":1,"temp_c":21.5}') + b"}", ""),
    ],
)
def test_a_message_is_refused_although_its_parts_are_known(again: bytes, path: str) -> None:
    decode_telemetry(CABINET, cabinet('{"n":1,"temp_c":21.5}', '{"n":2,"temp_c":21.5}'))
    with pytest.raises(BadMessage) as refused:
        decode_telemetry(CABINET, again)
    if path:
        assert refused.value.path == path


def test_what_a_part_says_that_nobody_knows_is_kept() -> None:
    slots = ('{"n":1,"temp_c":21.5}', '{"n":2,"temp_c":9999.0,"odd":1}')
    for _ in range(2):
        reading = decode_telemetry(CABINET, cabinet(*slots))
        assert reading.extra == {"slots.2.temp_c": 9999.0, "slots.2": {"odd": 1}}
        assert dict(reading.parts) == {1: {"temp_c": 21.5}, 2: {"temp_c": None}}


def test_a_part_s_value_out_of_range_is_kept_each_time() -> None:
    for _ in range(2):
        reading = decode_telemetry(CABINET, cabinet('{"n":1,"temp_c":9999.0}'))
        assert reading.extra == {"slots.1.temp_c": 9999.0}
        assert dict(reading.parts) == {1: {"temp_c": None}}


PIECES = st.fixed_dictionaries(
    {},
    optional={
        "state": st.sampled_from(["empty", "full", None]),
        "temp_c": st.floats(-50, 60) | st.none() | st.integers(0, 40) | st.just(-99.0),
        "battery": st.text(st.sampled_from('ab}{],:"\\'), max_size=9),
        "enabled": st.booleans(),
        "odd": st.lists(st.fixed_dictionaries({"n": st.integers(1, 3)}), max_size=2),
    },
)


@given(st.lists(st.tuples(st.integers(1, 6), PIECES), max_size=4, unique_by=lambda one: one[0]))
def test_pieces_read_like_the_whole(parts: list[tuple[int, dict[str, Any]]]) -> None:
    body = {"v": 1, "ts": TS, "boot": "b", "seq": 1, "low": 0, "status": "idle"}
    body["slots"] = [{"n": n, **said} for n, said in parts]
    close = json.dumps(body, separators=(",", ":")).encode()
    spaced = json.dumps(body, separators=(" , ", " : ")).encode()
    expected = decode_telemetry(CABINET, spaced)
    for _ in range(2):
        assert decode_telemetry(CABINET, close) == expected
