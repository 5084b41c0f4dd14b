"""A configuration is taken when it is signed for this speaker and newer than the one at hand."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import BadMessage
from signing.config import Config, open_config, sign_config
from signing.keys import KeyRing, SigningKey

KEY = SigningKey(b"k" * 32)
KEYS = KeyRing(KEY).verify_keys()
SPEAKER = "331002-0001/station/0"
CONFIG = Config(SPEAKER, 3, {"period_s": 20, "name": "椒江驿站"})


def reason(payload: bytes, speaker: str = SPEAKER, known_version: int = 2) -> str:
    with pytest.raises(BadMessage) as refused:
        open_config(payload, KEYS, speaker, known_version)
    return refused.value.reason


def test_what_is_opened_is_what_was_signed() -> None:
    assert open_config(sign_config(KEY, CONFIG), KEYS, SPEAKER, 2) == CONFIG


def test_old_foreign_and_forged_configurations_are_refused() -> None:
    payload = sign_config(KEY, CONFIG)
    assert reason(payload, known_version=3) == "old_version"
    assert reason(payload, speaker="331002-0002/station/0") == "other_device"
    assert reason(sign_config(SigningKey(b"o" * 32), CONFIG)) == "unknown_key"
    body = json.loads(payload)
    body["config"] = body["config"].replace("20", "21")
    assert reason(json.dumps(body).encode()) == "bad_signature"
    assert reason(json.dumps({**body, "kid": "00"}).encode()) == "bad_value"
    assert reason(json.dumps({**body, "kid": None}).encode()) == "bad_value"
    assert reason(json.dumps({**body, "signature": "="}).encode()) == "bad_value"
    assert reason(json.dumps({**body, "more": 1}).encode()) == "bad_shape"


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(payload: bytes) -> None:
    with pytest.raises(BadMessage):
        open_config(payload, KEYS, SPEAKER, 2)
