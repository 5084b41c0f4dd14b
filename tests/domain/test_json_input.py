"""Strangers' bytes become an object or a clear refusal, never anything else."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import BadMessage
from domain.json_input import MAX_BYTES, parse_object

REFUSED = [
    ("a list", b"[1]", "not_an_object"),
    ("a bare text", b'"a"', "not_an_object"),
    ("half an object", b"{", "not_json"),
    ("nothing", b"", "not_json"),
    ("two values for one key", b'{"a":1,"a":2}', "duplicate_key"),
    ("two values for one key inside", b'{"a":{"b":1,"b":2}}', "duplicate_key"),
    ("a float that overflows", b'{"a":1e999}', "bad_number"),
    ("a negative float that overflows", b'{"a":[-1.5e999]}', "bad_number"),
    ("an integer beyond 63 bits", b'{"a":%d}' % 2**63, "bad_number"),
    ("an integer of 10^23", b'{"a":%d}' % 10**23, "bad_number"),
    ("an integer of 5,000 digits", b'{"a":' + b"9" * 5000 + b"}", "bad_number"),
    ("NaN", b'{"a":NaN}', "bad_number"),
    ("minus infinity", b'{"a":-Infinity}', "bad_number"),
    ("nine levels", b'{"a":' + b"[" * 9 + b"]" * 9 + b"}", "too_deep"),
    ("ten thousand levels", b"[" * 10_000, "too_deep"),
    ("a NUL byte", b'{"a":"\x00"}', "nul"),
    ("an escaped NUL", b'{"a":"\\u0000"}', "nul"),
    ("an escaped NUL in a key", b'{"\\u0000":1}', "nul"),
    ("a lone surrogate", b'{"a":"\\ud800"}', "not_utf8"),
    ("bytes that are not UTF-8", b'{"a":"\xff"}', "not_utf8"),
    ("more than 16 KiB", b'{"a":"' + b"x" * MAX_BYTES + b'"}', "too_large"),
]


@pytest.mark.parametrize(("what", "payload", "reason"), REFUSED, ids=[r[0] for r in REFUSED])
def test_what_is_refused_says_why(what: str, payload: bytes, reason: str) -> None:
    with pytest.raises(BadMessage) as refused:
        parse_object(payload)
    assert refused.value.reason == reason


TAKEN = [
    ("the largest integer", b'{"a":%d}' % (2**63 - 1), {"a": 2**63 - 1}),
    ("the smallest integer", b'{"a":-%d}' % 2**63, {"a": -(2**63)}),
    ("an exponent that fits", b'{"a":1e3}', {"a": 1000.0}),
    ("brackets inside a text", b'{"a":"[[[[[[[[[[[["}', {"a": "[[[[[[[[[[[["}),
    ("a quote and brackets inside a text", b'{"a":"\\"[[[[[[[[[[[["}', {"a": '"[[[[[[[[[[[['}),
    ("eight levels", b'{"a":' + b"[" * 7 + b"]" * 7 + b"}", {"a": [[[[[[[]]]]]]]}),
    ("a pair of surrogates", b'{"a":"\\ud83d\\ude80"}', {"a": "\U0001f680"}),
    ("Chinese", '{"名":"驿站"}'.encode(), {"名": "驿站"}),
    ("a boot word that looks like a number with an exponent", b'{"boot":"3e9"}', {"boot": "3e9"}),
]


@pytest.mark.parametrize(("what", "payload", "value"), TAKEN, ids=[t[0] for t in TAKEN])
def test_what_is_unusual_but_right_is_taken(what: str, payload: bytes, value: object) -> None:
    assert parse_object(payload) == value


@given(st.binary(max_size=400))
def test_any_bytes_give_an_object_or_a_bad_message(payload: bytes) -> None:
    with contextlib.suppress(BadMessage):
        assert isinstance(parse_object(payload), dict)


def refused_for(payload: bytes) -> str | None:
    """The reason of the refusal; None for an object that is taken."""
    try:
        parse_object(payload)
    except BadMessage as bad:
        return bad.reason
    return None


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(st.characters(codec="ascii", min_codepoint=32), max_size=5), inner, max_size=3
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(st.characters(codec="ascii", min_codepoint=32), max_size=5), JSON, max_size=4))
def test_any_sound_object_comes_through_as_it_is(value: dict[str, object]) -> None:
    payload = json.dumps(value).encode()
    assert refused_for(payload) in (None, "too_deep", "too_large")
    if refused_for(payload) is None:
        assert parse_object(payload) == value
