"""Credentials say who may do what, are signed by the hub's account, and can be taken back."""

from __future__ import annotations

import base64
import binascii

import pytest

from signing.keys import SigningKey
from signing.station_credential import (
    BadCredential,
    account_jwt,
    issue_station,
    nkey,
    operator_jwt,
    read_jwt,
    revoke_station,
    role_permissions,
    station_permissions,
    station_user,
)

OPERATOR = SigningKey(b"o" * 32)
ACCOUNT = SigningKey(b"a" * 32)
OTHER = SigningKey(b"x" * 32)
NOW_MS = 1_795_000_000_000


def test_an_nkey_begins_with_the_letter_of_its_kind_and_carries_its_checksum() -> None:
    for kind, letter in (("operator", "O"), ("account", "A"), ("user", "U")):
        name = nkey(kind, ACCOUNT.verify_key)  # type: ignore[arg-type]
        assert name.startswith(letter)
        assert len(name) == 56
        raw = base64.b32decode(name)
        assert raw[1:33] == ACCOUNT.verify_key.public
        assert int.from_bytes(raw[33:], "little") == binascii.crc_hqx(raw[:33], 0)


def test_a_station_may_use_its_own_branch_only() -> None:
    permissions = station_permissions("331002", "331002-0001")
    assert permissions.publish == ("ws.331002.331002-0001.quick.>", "ws.331002.331002-0001.bulk.>")
    assert permissions.subscribe == ("ws.331002.331002-0001.down.>",)


@pytest.mark.parametrize(
    ("adcode", "station"),
    [
        ("hub", "hub"),
        ("*", "331002-0001"),
        ("331002", "*"),
        ("331002", ">"),
        ("331002", "a.b"),
        ("331002", ""),
    ],
)
def test_names_that_could_reach_other_branches_get_no_credential(adcode: str, station: str) -> None:
    with pytest.raises(BadCredential):
        issue_station(ACCOUNT, adcode, station, NOW_MS)


def test_a_station_credential_is_a_bearer_token_for_mqtt_signed_by_the_account() -> None:
    claims = read_jwt(issue_station(ACCOUNT, "331002", "331002-0001", NOW_MS), ACCOUNT.verify_key)
    assert claims["iss"] == nkey("account", ACCOUNT.verify_key)
    assert claims["sub"] == nkey("user", station_user(ACCOUNT, "331002", "331002-0001"))
    assert claims["iat"] == NOW_MS // 1000
    assert claims["nats"]["bearer_token"] is True
    assert claims["nats"]["allowed_connection_types"] == ["MQTT"]


@pytest.mark.parametrize("token", ["", "a.b", "a.b.c", "a.b.c.d", "é.b.c"])
def test_other_texts_are_no_credential(token: str) -> None:
    with pytest.raises(BadCredential):
        read_jwt(token, ACCOUNT.verify_key)


def test_a_credential_of_another_account_is_refused() -> None:
    with pytest.raises(BadCredential):
        read_jwt(issue_station(OTHER, "331002", "331002-0001", NOW_MS), ACCOUNT.verify_key)


def test_revoking_covers_everything_issued_and_a_new_credential_comes_after_it() -> None:
    revoked: dict[str, int] = {}
    for _ in range(3):
        token = issue_station(ACCOUNT, "331002", "331002-0001", NOW_MS, revoked)
        issued = read_jwt(token, ACCOUNT.verify_key)
        assert issued["iat"] > revoked.get(issued["sub"], 0)
        revoked = revoke_station(ACCOUNT, "331002", "331002-0001", NOW_MS, revoked)
        assert issued["iat"] <= revoked[issued["sub"]]
    assert len(revoked) == 1


def test_the_account_carries_limits_and_revocations_under_the_operators_signature() -> None:
    token = account_jwt(OPERATOR, ACCOUNT.verify_key, "hub", NOW_MS, jetstream=True, revoked_at_s={"U": 7})
    claims = read_jwt(token, OPERATOR.verify_key)["nats"]
    assert claims["limits"]["disk_storage"] == -1
    assert claims["revocations"] == {"U": 7}
    assert claims["default_permissions"] == {"pub": {"deny": [">"]}, "sub": {"deny": [">"]}}


def test_the_same_statement_made_twice_is_the_same_text() -> None:
    first = operator_jwt(OPERATOR, OTHER.verify_key, NOW_MS)
    assert operator_jwt(OPERATOR, OTHER.verify_key, NOW_MS) == first


def test_only_the_gateway_may_publish_markers_and_commands_to_devices() -> None:
    markers = {"ws.hub.hub.quick.marker.0.marker", "ws.hub.hub.bulk.marker.0.marker"}
    assert markers < set(role_permissions("gateway").publish)
    assert role_permissions("api").publish == ("hub.command.>",)
    assert role_permissions("courier").publish == ()
