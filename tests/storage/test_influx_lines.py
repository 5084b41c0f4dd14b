"""What is written straight from a message's bytes is what a full reading of it would write."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.kind import Metric
from devices.registry import kinds
from domain import topics
from domain.errors import BadMessage
from domain.ids import DeviceId
from storage.influx_lines import lines_of
from storage.influx_points import lines
from storage.outbox_hours import row_of
from storage.series_outbox import Kept

AT_MS = 1_795_000_000_000
ADCODE = "331002"
CABINET = "swap_cabinet"


def kept(kind: str, body: dict[str, Any], *, seq: int = 7, ts: int | None = AT_MS) -> Kept:
    """A message as the gateway keeps it."""
    envelope = {"v": 1, "ts": ts, "boot": "b1", "seq": seq, "low": 0}
    payload = json.dumps({**envelope, **body}, separators=(",", ":"), ensure_ascii=False).encode()
    topic = topics.telemetry(ADCODE, DeviceId(f"{ADCODE}-0001", kind, 2))
    return Kept(1, topic, "b1", seq, AT_MS, AT_MS + 20, payload)


def read_in_full(message: Kept) -> list[str]:
    return lines(ADCODE, row_of(message))


def words(line: str) -> list[str]:
    """Tags and fields; their order says nothing."""
    return sorted(re.split("[, ]", line))


def said(metric: Metric) -> st.SearchStrategy[Any]:
    """What a device may say of a metric, out of its range too."""
    if metric.choices:
        return st.none() | st.sampled_from(metric.choices)
    plain: dict[str, st.SearchStrategy[Any]] = {
        "float": st.floats(-200, 200).map(lambda x: round(x, 1) + 0.0) | st.integers(-200, 200),
        "int": st.integers(-200, 200),
        "bool": st.booleans(),
        "str": st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12),
    }
    return st.none() | plain[metric.type]


@st.composite
def messages(draw: st.DrawFn) -> Kept:
    kind = draw(st.sampled_from(sorted(kinds())))
    declared = kinds()[kind]

    def some(metrics: dict[str, Metric]) -> dict[str, Any]:
        names = draw(st.lists(st.sampled_from(sorted(metrics)), unique=True, max_size=6))
        return {name: draw(said(metrics[name])) for name in names}

    body = some(dict(declared.metrics))
    if declared.parts is not None:
        numbers = draw(st.lists(st.integers(1, 4), unique=True, max_size=3))
        body[declared.parts.field] = [{"n": n, **some(dict(declared.part_metrics))} for n in numbers]
    body |= draw(st.sampled_from([{}, {}, {}, {"odd": {"a": [1]}}]))
    return kept(kind, body, ts=draw(st.sampled_from([AT_MS, AT_MS, AT_MS - 5, None])))


@settings(max_examples=60, deadline=None)
@given(messages())
def test_any_message_is_written_as_if_it_were_read_in_full(message: Kept) -> None:
    for _ in range(2):  # the second time from what was written before
        assert [words(line) for line in lines_of(message)] == [words(line) for line in read_in_full(message)]


def test_content_that_came_before_is_written_with_its_own_time_and_number() -> None:
    first, second = (kept("occupancy_sensor", {"count_raw": 3}, seq=seq) for seq in (7, 8))
    assert lines_of(first) == read_in_full(first)
    assert lines_of(second) == read_in_full(second)
    assert lines_of(first) != lines_of(second)


def test_a_point_has_the_fields_that_say_something_and_no_others() -> None:
    slots = [{"n": 1, "temp_c": 20, "state": "full"}, {"n": 2, "temp_c": None}]
    own, first, second = lines_of(kept(CABINET, {"power_w": 12, "smoke": None, "slots": slots}))
    tags, time = f"adcode={ADCODE},device=2", f"{AT_MS}000007"
    place = f"station={ADCODE}-0001"
    beside = f'boot="b1",received_ms={AT_MS + 20}i'
    assert own == f"swap_cabinet,{tags},{place} {beside},power_w=12.0 {time}"
    assert first == f'swap_cabinet_slot,{tags},part=1,{place} temp_c=20.0,state="full" {time}'
    assert second == f"swap_cabinet_slot,{tags},part=2,{place} seq=7i {time}"


def test_a_number_that_the_time_of_a_point_cannot_tell_is_written() -> None:
    (line,) = lines_of(kept("occupancy_sensor", {"count_raw": 3}, seq=12_345_678))
    assert ",seq=12345678i," in line
    assert line.endswith(f" {AT_MS}345678")


@pytest.mark.parametrize(("ts", "field"), [(AT_MS - 5, f",device_ts_ms={AT_MS - 5}i"), (None, "=-1i")])
def test_a_device_s_own_time_is_written_where_it_is_another(ts: int | None, field: str) -> None:
    (line,) = lines_of(kept("occupancy_sensor", {"count_raw": 3}, ts=ts))
    assert field in line


def test_what_was_never_examined_is_refused_as_in_a_full_reading() -> None:
    for body in ({"count_raw": "three"}, {"count_raw": 1.5}):
        with pytest.raises(BadMessage, match="count_raw"):
            lines_of(kept("occupancy_sensor", body))
    with pytest.raises(BadMessage):
        lines_of(kept("occupancy_sensor", {})._replace(topic="ws/331002/331002-0001/bulk/teapot/1/telemetry"))
    with pytest.raises(BadMessage):
        lines_of(kept("occupancy_sensor", {})._replace(payload=b"[]"))
