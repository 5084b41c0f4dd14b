"""A signed command is exactly what was signed, for this use, by a known key; or it is refused."""

from __future__ import annotations

import string
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import BadMessage
from signing import cose
from signing.command import (
    DOMAIN,
    Command,
    Prepare,
    Signed,
    SignedCommand,
    from_base64url,
    open_command,
    parse_command_payload,
    prepare_payload,
    sign_command,
    signed_payload,
    to_base64url,
)
from signing.keys import KeyRing, SigningKey

KEY = SigningKey(b"k" * 32)
OTHER = SigningKey(b"o" * 32)
KEYS = KeyRing(KEY).verify_keys()
NONCE = bytes(range(16))
UNLOCK = Command("331002-0001/door_lock/1", "c-1", "unlock", {"open_s": 5})

# Made by another implementation (cwt 3.3.0) from the same key, payload and external_aad.
VECTOR = bytes.fromhex(
    "d2844da201270448cd8fa86afd6bf20da05854a562696463632d31656e6f6e636550000102030405060708090a0b0c0d"
    "0e0f66616374696f6e66756e6c6f636b66646576696365773333313030322d303030312f646f6f725f6c6f636b2f3166"
    "6f70656e5f7305584079c3eb9b0ac16f62d1bd897d61dcc2afcc540a32256e1ed4db082ee4a81bd2ba065462cee56b6c"
    "ac7aa1038a4a7124c3e4361411299925e80a00697f21dc6e0d"
)

words = st.text(string.ascii_lowercase, min_size=1, max_size=12)
arguments = st.dictionaries(
    words.filter(lambda name: name not in {"device", "id", "nonce", "action"}),
    st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.text(max_size=12),
    max_size=4,
)


@given(words, words, arguments, st.binary(min_size=16, max_size=16))
def test_what_is_opened_is_what_was_signed(
    command_id: str, action: str, args: dict[str, Any], nonce: bytes
) -> None:
    command = Command("331002-0001/swap_cabinet/1", command_id, action, args)
    assert open_command(sign_command(KEY, command, nonce), KEYS) == SignedCommand(command, nonce)


def test_every_single_bit_flip_is_refused() -> None:
    message = sign_command(KEY, UNLOCK, NONCE)
    for bit in range(len(message) * 8):
        flipped = bytearray(message)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(cose.Refused):
            open_command(bytes(flipped), KEYS)


@given(st.binary(max_size=600))
def test_any_bytes_are_refused_and_never_break_anything(message: bytes) -> None:
    with pytest.raises(cose.Refused):
        open_command(message, KEYS)


def test_bytes_before_or_after_are_refused() -> None:
    message = sign_command(KEY, UNLOCK, NONCE)
    for wrong in (message + b"\0", b"\xd2" + message, message[:-1], message[1:]):
        with pytest.raises(cose.Refused) as refused:
            open_command(wrong, KEYS)
        assert refused.value.reason == "malformed"


def test_the_shape_is_cose_sign1_as_any_library_reads_it() -> None:
    decoded = cbor2.loads(sign_command(KEY, UNLOCK, NONCE))
    assert decoded.tag == 18
    protected, unprotected, payload, signature = decoded.value
    assert cbor2.loads(protected) == {1: -8, 4: KEY.kid}
    assert dict(unprotected) == {}
    assert cbor2.loads(payload)["nonce"] == NONCE
    to_be_signed = cbor2.dumps(["Signature1", protected, DOMAIN, payload])
    assert KEY.verify_key.verifies(signature, to_be_signed)


def test_another_implementation_writes_the_same_bytes() -> None:
    assert sign_command(KEY, UNLOCK, NONCE) == VECTOR
    assert open_command(VECTOR, KEYS) == SignedCommand(UNLOCK, NONCE)


def test_a_signature_for_another_use_is_refused() -> None:
    payload = cose.verify(sign_command(KEY, UNLOCK, NONCE), KEYS, DOMAIN).payload
    with pytest.raises(cose.Refused) as refused:
        open_command(cose.sign(KEY, payload, b"ws-cfg-1"), KEYS)
    assert refused.value.reason == "bad_signature"


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(cose.Refused) as refused:
        open_command(sign_command(OTHER, UNLOCK, NONCE), KEYS)
    assert refused.value.reason == "unknown_key"


@pytest.mark.parametrize(
    "claims",
    [
        {},
        [],
        {"device": "d", "id": "i", "action": "unlock"},
        {"device": "d", "id": "i", "action": "unlock", "nonce": b"short"},
        {"device": "d", "id": "i", "action": "unlock", "nonce": "x" * 16},
        {"device": 7, "id": "i", "action": "unlock", "nonce": NONCE},
        {"device": "d", "id": "i i", "action": "unlock", "nonce": NONCE},
        {"device": "d", "id": "i", "action": "Unlock!", "nonce": NONCE},
        {"device": "d", "id": "i", "action": "unlock", "nonce": NONCE, "open_s": 1.5},
        {"device": "d", "id": "i", "action": "unlock", "nonce": NONCE, "open_s": 2**70},
        {"device": "d", "id": "i", "action": "unlock", "nonce": NONCE, "slots": [1]},
        {"device": "d", "id": "i", "action": "unlock", "nonce": NONCE, 7: 1},
    ],
)
def test_signed_content_that_is_not_a_command_is_refused(claims: object) -> None:
    with pytest.raises(cose.Refused) as refused:
        open_command(cose.sign(KEY, cbor2.dumps(claims, canonical=True), DOMAIN), KEYS)
    assert refused.value.reason == "malformed"


def test_signed_content_in_another_order_or_with_a_tail_is_refused() -> None:
    claims = {"device": "d", "action": "unlock", "nonce": NONCE, "id": "i"}
    for payload in (cbor2.dumps(claims), cbor2.dumps(claims, canonical=True) + b"\0"):
        with pytest.raises(cose.Refused, match="canonical"):
            open_command(cose.sign(KEY, payload, DOMAIN), KEYS)


def test_a_command_that_is_too_long_is_not_signed() -> None:
    with pytest.raises(ValueError, match="at most 512"):
        sign_command(KEY, Command("d", "i", "show", {"text": "x" * 512}), NONCE)


@pytest.mark.parametrize("args", [{"id": 1}, {"Open": 1}, {"temp_c": 1.5}, {"big": 2**63}, {"slots": [1]}])
def test_arguments_that_cannot_be_signed_are_refused(args: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Command("d", "i", "unlock", args)


def test_both_payloads_are_read_as_they_were_written() -> None:
    assert parse_command_payload(prepare_payload("c-1", "unlock")) == Prepare("c-1", "unlock")
    assert prepare_payload("c-1", "unlock") == b'{"prepare":"c-1","action":"unlock"}'
    message = sign_command(KEY, UNLOCK, NONCE)
    assert parse_command_payload(signed_payload("c-1", message)) == Signed("c-1", message)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"{}",
        b'{"prepare":"a"}',
        b'{"prepare":"a","action":7}',
        b'{"prepare":"a b","action":"unlock"}',
        b'{"prepare":"a","action":"unlock","id":"b"}',
        b'{"id":"a","signed":7}',
        b'{"id":"a","signed":"="}',
        b'{"id":"a","signed":"YR"}',
        b'{"id":"a","signed":"YQ=="}',
        b'{"id":"a","signed":"Y Q"}',
        b'{"id":"a","signed":"\xc3\xa4"}',
        b'{"id":"a","signed":"' + b"A" * 900 + b'"}',
        b'{"prepare":"a","action":"unlock"}' + b" " * 1100,
        b"[" * 1000,
    ],
)
def test_other_payloads_are_refused(payload: bytes) -> None:
    with pytest.raises(BadMessage):
        parse_command_payload(payload)


@given(st.binary(max_size=40))
def test_base64url_has_one_form(raw: bytes) -> None:
    text = to_base64url(raw)
    assert from_base64url(text) == raw
    with pytest.raises(ValueError):
        from_base64url(text + "=")
