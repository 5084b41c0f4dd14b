"""What must hold for one device kind must hold for all that are registered."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.decode import decode_event, decode_link, decode_reply, decode_telemetry
from devices.kind import Kind
from devices.registry import kinds
from domain.errors import BadMessage

ALL = list(kinds().values())
ENVELOPE = {"v": 1, "ts": None, "boot": "b", "seq": 0}
every_kind = pytest.mark.parametrize("kind", ALL, ids=[k.name for k in ALL])


def encode(**fields: object) -> bytes:
    return json.dumps({**ENVELOPE, **fields}).encode()


@every_kind
def test_every_metric_has_a_sensible_age_and_range(kind: Kind) -> None:
    for metric in (*kind.metrics.values(), *kind.part_metrics.values()):
        assert 0 < metric.fresh_s <= 86_400
        if metric.low is not None and metric.high is not None:
            assert metric.low < metric.high


@every_kind
def test_numbers_name_their_unit(kind: Kind) -> None:
    for metric in (*kind.metrics.values(), *kind.part_metrics.values()):
        if metric.type in ("float", "int"):
            assert metric.unit, f"{kind.name}.{metric.name} has no unit"


@every_kind
def test_an_empty_report_is_a_report(kind: Kind) -> None:
    reading = decode_telemetry(kind, encode())
    assert (reading.fields, reading.parts) == ({}, {})


@every_kind
def test_null_is_known_to_be_unknown_and_absent_is_absent(kind: Kind) -> None:
    name = next(iter(kind.metrics))
    assert decode_telemetry(kind, encode(**{name: None})).fields == {name: None}


@every_kind
def test_unknown_fields_are_kept(kind: Kind) -> None:
    assert decode_telemetry(kind, encode(brand_new={"x": [1]})).extra == {"brand_new": {"x": [1]}}


@every_kind
def test_a_wrong_type_is_refused_with_its_path(kind: Kind) -> None:
    for name in kind.metrics:
        with pytest.raises(BadMessage) as refused:
            decode_telemetry(kind, encode(**{name: {"not": "a value"}}))
        assert refused.value.path.split(".")[0] == name
        assert (refused.value.boot, refused.value.seq) == ("b", 0)


@every_kind
def test_a_value_out_of_range_is_kept_but_counts_as_unknown(kind: Kind) -> None:
    for metric in kind.metrics.values():
        if metric.high is not None:
            wrong = metric.high + 1 if metric.type == "float" else int(metric.high) + 1
            reading = decode_telemetry(kind, encode(**{metric.name: wrong}))
            assert reading.fields == {metric.name: None}
            assert reading.extra == {metric.name: wrong}


@every_kind
def test_an_unknown_event_is_refused_with_the_known_ones(kind: Kind) -> None:
    with pytest.raises(BadMessage) as refused:
        decode_event(kind, encode(type="made_up"))
    assert refused.value.path == "type"
    assert all(name in refused.value.detail for name in kind.events)


@every_kind
def test_every_event_declares_its_own_name(kind: Kind) -> None:
    for name, model in kind.events.items():
        required = {field for field, info in model.model_fields.items() if info.is_required()}
        extra = dict.fromkeys(required - ENVELOPE.keys() - {"type"}, 1)
        happening = decode_event(kind, encode(type=name, **extra))
        assert happening.type == name
        assert happening.safety is model.safety


@every_kind
def test_what_must_hold_can_be_told_from_facts(kind: Kind) -> None:
    for command in kind.commands.values():
        if command.holds is not None:
            assert command.holds({}) is False, f"{command.name} must not hold without facts"


@every_kind
@given(payload=st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_bad_message(kind: Kind, payload: bytes) -> None:
    for decode in (
        lambda p: decode_telemetry(kind, p),
        lambda p: decode_event(kind, p),
        decode_reply,
        decode_link,
    ):
        with contextlib.suppress(BadMessage):
            decode(payload)


VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.lists(st.integers(), max_size=2)
)


@every_kind
@given(data=st.data())
def test_any_values_in_known_fields_are_taken_or_refused(kind: Kind, data: st.DataObject) -> None:
    parts = [kind.parts.field] if kind.parts else []
    names = [*kind.metrics, *parts, "type", "v", "ts", "boot", "seq", "low"]
    fields = data.draw(st.dictionaries(st.sampled_from(names), VALUES, max_size=4))
    try:
        payload = json.dumps({**ENVELOPE, **fields}).encode()
    except (ValueError, UnicodeEncodeError):
        return
    with contextlib.suppress(BadMessage):
        decode_telemetry(kind, payload)
