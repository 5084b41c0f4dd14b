"""A command to one device, signed for one nonce, and the JSON in which it travels."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import cbor2

from domain.errors import BadMessage
from domain.json_input import parse_object
from signing.cose import MAX_BYTES as MAX_SIGNED_BYTES
from signing.cose import Refused, sign, verify
from signing.keys import SigningKey, VerifyKey

DOMAIN = b"ws-cmd-1"
NONCE_BYTES = 16
MAX_PAYLOAD_BYTES = 1024

Argument = int | str | bool

_FIXED_FIELDS = ("device", "id", "nonce", "action")
_DEVICE = re.compile(r"[0-9A-Za-z_/-]{1,100}")
_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_WORD = re.compile(r"[a-z][a-z0-9_]{0,31}")


@dataclass(frozen=True, slots=True)
class Command:
    """What one device is told: `device` like `331002-0001/door_lock/1`, an id, an action, flat arguments.

    Arguments are whole numbers, texts and true or false; a name may not be one of the four fixed fields.
    """

    device: str
    id: str
    action: str
    args: Mapping[str, Argument] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if problem := _problem(self):
            raise ValueError(problem)


@dataclass(frozen=True, slots=True)
class SignedCommand:
    """A command whose signature is right, and the nonce that it was signed for."""

    command: Command
    nonce: bytes


@dataclass(frozen=True, slots=True)
class Prepare:
    """The hub's question for a nonce."""

    id: str
    action: str


@dataclass(frozen=True, slots=True)
class Signed:
    """The hub's answer to a nonce: the COSE_Sign1 bytes, not yet checked."""

    id: str
    message: bytes


def is_command_id(text: object) -> bool:
    """True for 1 to 64 letters, digits, `-` or `_`."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def sign_command(key: SigningKey, command: Command, nonce: bytes) -> bytes:
    """Return the COSE_Sign1 bytes of `command` for `nonce`; raise ValueError when it would be too long."""
    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"a nonce has {NONCE_BYTES} bytes, this one has {len(nonce)}")
    return sign(key, _encode(command, nonce), DOMAIN)


def open_command(message: bytes, keys: Mapping[bytes, VerifyKey]) -> SignedCommand:
    """Check the signature, then read the command; raise signing.cose.Refused with its reason."""
    payload = verify(message, keys, DOMAIN).payload
    try:
        claims = cbor2.loads(payload, allow_duplicate_keys=False, allow_indefinite=False, max_depth=2)
        signed = _from_claims(claims)
        if _encode(signed.command, signed.nonce) != payload:
            raise ValueError("it is not written in the canonical way")
    except (cbor2.CBORError, ValueError) as exc:
        raise Refused("malformed", f"The signed content is not a command: {exc}") from exc
    return signed


def prepare_payload(command_id: str, action: str) -> bytes:
    """The MQTT payload that asks a device for a nonce."""
    return _json({"prepare": command_id, "action": action})


def signed_payload(command_id: str, message: bytes) -> bytes:
    """The MQTT payload that carries a signed command."""
    return _json({"id": command_id, "signed": to_base64url(message)})


def parse_command_payload(payload: bytes) -> Prepare | Signed:
    """Read what arrives on a device's command topic; raise BadMessage saying what is wrong."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise BadMessage("too_large", "", f"has {len(payload)} bytes; at most {MAX_PAYLOAD_BYTES} are taken")
    body = parse_object(payload)
    if body.keys() == {"prepare", "action"}:
        return Prepare(_word(body, "prepare", _ID), _word(body, "action", _WORD))
    if body.keys() == {"id", "signed"}:
        command_id = _word(body, "id", _ID)
        try:
            message = from_base64url(body["signed"])
        except ValueError as exc:
            raise BadMessage("bad_value", "signed", str(exc)) from exc
        if len(message) > MAX_SIGNED_BYTES:
            raise BadMessage("too_large", "signed", f"holds {len(message)} bytes; at most {MAX_SIGNED_BYTES}")
        return Signed(command_id, message)
    raise BadMessage("bad_shape", "", "has neither exactly prepare and action nor exactly id and signed")


def to_base64url(raw: bytes) -> str:
    """Base64url without padding, the form of nonces and signed bytes in JSON."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def from_base64url(text: object) -> bytes:
    """Read base64url without padding; raise ValueError unless it is the one way to write these bytes."""
    if not isinstance(text, str):
        raise ValueError("is not a text")
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as exc:
        raise ValueError("is not base64url") from exc
    if to_base64url(raw) != text:
        raise ValueError("is not base64url in its one right form, without padding")
    return raw


def _encode(command: Command, nonce: bytes) -> bytes:
    fields = {"device": command.device, "id": command.id, "nonce": nonce, "action": command.action}
    return cbor2.dumps({**fields, **command.args}, canonical=True)


def _from_claims(claims: object) -> SignedCommand:
    if type(claims) is not dict or not all(type(name) is str for name in claims):
        raise ValueError("it is not a map with names")
    missing = [name for name in _FIXED_FIELDS if name not in claims]
    if missing:
        raise ValueError(f"{missing[0]} is missing")
    content = cast(dict[str, Any], claims)
    nonce = content["nonce"]
    if type(nonce) is not bytes or len(nonce) != NONCE_BYTES:
        raise ValueError(f"nonce is not {NONCE_BYTES} bytes")
    args = {name: value for name, value in content.items() if name not in _FIXED_FIELDS}
    return SignedCommand(Command(content["device"], content["id"], content["action"], args), nonce)


def _problem(command: Command) -> str | None:
    if type(command.device) is not str or not _DEVICE.fullmatch(command.device):
        return "device is not a name like 331002-0001/door_lock/1"
    if not is_command_id(command.id):
        return "id is not 1 to 64 letters, digits, - or _"
    if type(command.action) is not str or not _WORD.fullmatch(command.action):
        return "action is not a lower-case word"
    for name, value in command.args.items():
        if type(name) is not str or not _WORD.fullmatch(name) or name in _FIXED_FIELDS:
            return f"{name!r} cannot be the name of an argument"
        if type(value) not in (int, str, bool):
            return f"{name} is not a whole number, a text, true or false"
        if type(value) is int and not -(2**63) <= value < 2**63:
            return f"{name} does not fit into 63 bits"
    return None


def _word(body: Mapping[str, Any], name: str, form: re.Pattern[str]) -> str:
    value = body[name]
    if type(value) is not str or not form.fullmatch(value):
        raise BadMessage("bad_value", name, "is not a short word of letters, digits, - and _")
    return value


def _json(body: dict[str, str]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode("ascii")
