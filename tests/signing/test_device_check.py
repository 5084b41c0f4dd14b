"""A device obeys a command once, within five seconds, when it was signed for its own nonce; never else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing.command import Command, sign_command, signed_payload
from signing.cose import sign as cose_sign
from signing.device_check import MAX_RECORDED, Accepted, DeviceCheck, Nonce, Recorded, Refused
from signing.keys import KeyRing, SigningKey

KEY = SigningKey(b"k" * 32)
NEXT = SigningKey(b"n" * 32)
DOOR = "331002-0001/door_lock/1"
OTHER_DOOR = "331002-0002/door_lock/1"


def random_bytes(n: int = 1) -> bytes:
    return bytes([n]) * 16


def door(device: str = DOOR, key: SigningKey = KEY) -> DeviceCheck:
    return DeviceCheck(device, KeyRing(key).verify_keys())


def nonce_of(check: DeviceCheck, command_id: str = "c-1", at_s: float = 100.0) -> bytes:
    answer = check.prepare(command_id, at_s, random_bytes())
    assert isinstance(answer, Nonce)
    return answer.nonce


def signed(nonce: bytes, command_id: str = "c-1", device: str = DOOR, key: SigningKey = KEY) -> bytes:
    command = Command(device, command_id, "unlock", {"open_s": 5})
    return signed_payload(command_id, sign_command(key, command, nonce))


def test_a_command_for_a_living_nonce_is_accepted() -> None:
    check = door()
    answer = check.accept(signed(nonce_of(check)), 104.9)
    assert answer == Accepted(Command(DOOR, "c-1", "unlock", {"open_s": 5}))


def test_the_same_bytes_again_are_refused_and_name_the_outcome() -> None:
    check = door()
    payload = signed(nonce_of(check))
    assert isinstance(check.accept(payload, 101.0), Accepted)
    assert check.accept(payload, 101.1) == Refused("used", "c-1", "accepted")
    check.record("c-1", "done")
    assert check.accept(payload, 101.2) == Refused("used", "c-1", "done")


def test_a_nonce_dies_after_five_seconds() -> None:
    check = door()
    payload = signed(nonce_of(check, at_s=100.0))
    assert check.accept(payload, 105.0) == Refused("expired", "c-1")
    assert check.prepare("c-1", 106.0, random_bytes(2)) == Recorded("c-1", "expired")


def test_an_expired_command_stays_expired() -> None:
    check = door()
    payload = signed(nonce_of(check, at_s=100.0))
    check.accept(payload, 105.0)
    assert check.accept(payload, 100.5) == Refused("expired", "c-1")


def test_a_clock_that_runs_backwards_ends_every_nonce() -> None:
    check = door()
    payload = signed(nonce_of(check, at_s=100.0))
    assert check.accept(payload, 40.0) == Refused("expired", "c-1")


def test_the_same_id_gets_the_same_nonce_while_it_lives() -> None:
    check = door()
    first = check.prepare("c-1", 100.0, random_bytes(1))
    assert check.prepare("c-1", 104.9, random_bytes(2)) == first


def test_asking_again_does_not_lengthen_the_life_of_a_nonce() -> None:
    check = door()
    payload = signed(nonce_of(check, at_s=100.0))
    check.prepare("c-1", 104.0, random_bytes(2))
    assert check.accept(payload, 105.5) == Refused("expired", "c-1")


def test_prepare_after_the_end_gives_the_recorded_outcome() -> None:
    check = door()
    check.accept(signed(nonce_of(check)), 101.0)
    assert check.prepare("c-1", 101.5, random_bytes(2)) == Recorded("c-1", "accepted")
    check.record("c-1", "done")
    assert check.prepare("c-1", 200.0, random_bytes(3)) == Recorded("c-1", "done")


def test_at_most_four_nonces_are_open() -> None:
    check = door()
    for n in range(4):
        assert isinstance(check.prepare(f"c-{n}", 100.0, random_bytes(n)), Nonce)
    assert check.prepare("c-4", 101.0, random_bytes(4)) == Refused("too_many_open", "c-4")
    assert isinstance(check.prepare("c-3", 101.0, random_bytes(4)), Nonce)
    assert isinstance(check.prepare("c-4", 105.0, random_bytes(4)), Nonce)


def test_a_command_for_another_door_is_refused() -> None:
    check = door()
    nonce_of(check)
    assert check.accept(signed(random_bytes(), device=OTHER_DOOR), 101.0) == Refused("other_device", "c-1")


def test_a_key_that_the_door_does_not_know_is_refused() -> None:
    check = door()
    assert check.accept(signed(nonce_of(check), key=NEXT), 101.0) == Refused("unknown_key", "c-1")


def test_a_signature_made_for_another_use_is_refused() -> None:
    check = door()
    good = sign_command(KEY, Command(DOOR, "c-1", "unlock"), nonce_of(check))
    head, signature = 17, 64
    payload = good[head + 2 : -signature - 2]
    forged = signed_payload("c-1", cose_sign(KEY, payload, b"ws-pass-1"))
    assert check.accept(forged, 101.0) == Refused("bad_signature", "c-1")


def test_an_envelope_with_another_id_than_the_signature_is_refused() -> None:
    check = door()
    message = sign_command(KEY, Command(DOOR, "c-1", "unlock"), nonce_of(check))
    assert check.accept(signed_payload("c-2", message), 101.0) == Refused("other_id", "c-2")


def test_a_command_that_nobody_prepared_is_refused() -> None:
    assert door().accept(signed(random_bytes()), 101.0) == Refused("no_nonce", "c-1")


def test_a_command_for_another_nonce_is_refused_and_leaves_the_right_one() -> None:
    check = door()
    nonce = nonce_of(check)
    assert check.accept(signed(random_bytes(9)), 101.0) == Refused("wrong_nonce", "c-1")
    assert isinstance(check.accept(signed(nonce), 101.0), Accepted)


def test_a_restart_forgets_nonces_so_old_signatures_are_worth_nothing() -> None:
    payload = signed(nonce_of(door()))
    assert door().accept(payload, 101.0) == Refused("no_nonce", "c-1")


def test_rotation_by_kid_accepts_both_keys_until_the_old_one_is_forgotten() -> None:
    ring = KeyRing(KEY).announce(NEXT)
    check = DeviceCheck(DOOR, ring.verify_keys())
    assert isinstance(check.accept(signed(nonce_of(check, "a"), "a", key=ring.active), 101.0), Accepted)
    ring = ring.rotate()
    assert isinstance(check.accept(signed(nonce_of(check, "b"), "b", key=ring.active), 101.0), Accepted)
    check.replace_keys(ring.forget(KEY.kid).verify_keys())
    assert check.accept(signed(nonce_of(check, "c"), "c", key=KEY), 101.0) == Refused("unknown_key", "c")


def test_every_single_bit_flip_of_the_payload_is_refused_or_changes_nothing() -> None:
    payload = signed(nonce_of(door()))
    for bit in range(len(payload) * 8):
        check = door()
        nonce_of(check)
        flipped = bytearray(payload)
        flipped[bit // 8] ^= 1 << bit % 8
        assert isinstance(check.accept(bytes(flipped), 101.0), Refused)


@given(st.binary(max_size=1200), st.floats(allow_nan=True, allow_infinity=True))
def test_any_bytes_are_refused_without_an_exception(payload: bytes, at_s: float) -> None:
    check = door()
    nonce_of(check)
    assert isinstance(check.accept(payload, at_s), Refused)


@given(st.recursive(st.none() | st.booleans() | st.text(max_size=5) | st.floats(), st.lists, max_leaves=5))
def test_any_json_in_the_two_fields_is_refused(value: Any) -> None:
    check = door()
    nonce_of(check)
    assert isinstance(check.accept(json.dumps({"id": "c-1", "signed": value}).encode(), 101.0), Refused)
    assert isinstance(check.accept(json.dumps({"id": value, "signed": "YQ"}).encode(), 101.0), Refused)
    assert check.accept(b'{"prepare":"c-1","action":"unlock"}', 101.0) == Refused("malformed", "c-1")


@given(st.lists(st.sampled_from(["prepare", "accept", "old", "wait"]), max_size=30))
def test_no_order_of_messages_opens_a_door_twice_for_one_id(steps: list[str]) -> None:
    check, now_s, accepted, seen = door(), 0.0, 0, []
    for n, step in enumerate(steps):
        if step == "prepare":
            answer = check.prepare("c-1", now_s, random_bytes(n))
            if isinstance(answer, Nonce):
                seen.append(signed(answer.nonce))
        elif step == "wait":
            now_s += 2.0
        elif seen:
            payload = seen[-1] if step == "accept" else seen[0]
            accepted += isinstance(check.accept(payload, now_s), Accepted)
    assert accepted <= 1


def test_only_the_last_outcomes_are_kept() -> None:
    check = door()
    for n in range(MAX_RECORDED + 1):
        check.record(f"c-{n}", "done")
    assert isinstance(check.prepare("c-0", 100.0, random_bytes()), Nonce)
    assert check.prepare("c-1", 100.0, random_bytes()) == Recorded("c-1", "done")


def test_an_id_that_is_no_word_gets_no_nonce() -> None:
    assert door().prepare("c 1", 100.0, random_bytes()) == Refused("malformed")
    with pytest.raises(ValueError):
        door().prepare("c-1", 100.0, b"short")
