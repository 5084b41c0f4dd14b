"""Keys keep their names, rings keep old signatures valid, and nothing private is ever shown."""

from __future__ import annotations

import pytest

from signing.keys import (
    BadKey,
    KeyRing,
    SigningKey,
    VerifyKey,
    key_id,
    verify_keys_from_text,
    verify_keys_to_text,
)

ALICE = SigningKey(b"a" * 32)
BOB = SigningKey(b"b" * 32)
CHARLIE = SigningKey(b"c" * 32)


def test_a_kid_is_the_beginning_of_the_hash_of_the_public_key() -> None:
    assert len(ALICE.kid) == 8
    assert ALICE.kid == key_id(ALICE.verify_key.public)
    assert ALICE.kid != BOB.kid


def test_a_key_verifies_its_own_signature_and_no_other() -> None:
    signature = ALICE.sign(b"message")
    assert ALICE.verify_key.verifies(signature, b"message")
    assert not ALICE.verify_key.verifies(signature, b"messagf")
    assert not BOB.verify_key.verifies(signature, b"message")
    assert not ALICE.verify_key.verifies(signature[:-1], b"message")
    assert not ALICE.verify_key.verifies(b"", b"message")


def test_a_private_key_does_not_show_in_its_repr() -> None:
    ring = KeyRing(ALICE, announced=BOB)
    assert repr(b"a" * 32)[2:-1] not in repr(ring)
    assert repr(b"b" * 32)[2:-1] not in repr(ring)


def test_rotation_keeps_the_old_key_for_verifying() -> None:
    ring = KeyRing(ALICE).announce(BOB)
    assert ring.active == ALICE
    assert set(ring.verify_keys()) == {ALICE.kid, BOB.kid}
    ring = ring.rotate()
    assert ring.active == BOB
    assert set(ring.verify_keys()) == {ALICE.kid, BOB.kid}
    ring = ring.forget(ALICE.kid)
    assert set(ring.verify_keys()) == {BOB.kid}


def test_wrong_steps_of_a_rotation_are_refused() -> None:
    with pytest.raises(BadKey, match="No key has been announced"):
        KeyRing(ALICE).rotate()
    with pytest.raises(BadKey, match="already on the ring"):
        KeyRing(ALICE).announce(ALICE)
    with pytest.raises(BadKey, match="not a retired key"):
        KeyRing(ALICE).forget(ALICE.kid)


def test_a_ring_is_the_same_after_writing_and_reading() -> None:
    ring = KeyRing(ALICE).announce(BOB).rotate().announce(CHARLIE)
    assert KeyRing.from_json(ring.to_json()) == ring


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"v":1}',
        '{"v":1,"active":"YQ==","retired":[]}',
        '{"v":1,"active":"?","retired":[]}',
        '{"v":2,"active":"","retired":[]}',
        '{"v":1,"active":7,"retired":[]}',
    ],
)
def test_a_broken_ring_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(BadKey):
        KeyRing.from_json(text)


def test_a_verification_set_is_the_same_after_writing_and_reading() -> None:
    keys = KeyRing(ALICE).announce(BOB).verify_keys()
    text = verify_keys_to_text(keys)
    assert "BEGIN PUBLIC KEY" in text
    assert verify_keys_from_text(text) == keys


@pytest.mark.parametrize("text", ["", "hello", "-----BEGIN PUBLIC KEY-----\nYQ==\n-----END PUBLIC KEY-----"])
def test_a_broken_verification_set_is_refused(text: str) -> None:
    with pytest.raises(BadKey):
        verify_keys_from_text(text)


def test_keys_of_the_wrong_length_are_refused() -> None:
    with pytest.raises(BadKey):
        SigningKey(b"short")
    with pytest.raises(BadKey):
        VerifyKey(b"short")
