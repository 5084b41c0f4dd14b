"""A configuration for one speaker, signed and numbered, so that an old or foreign one is not taken."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.errors import BadMessage
from domain.json_input import parse_object
from signing.command import from_base64url, to_base64url
from signing.keys import KID_BYTES, SigningKey, VerifyKey

DOMAIN = b"ws-cfg-1"


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of one speaker (`331002-0001/station/0`); a higher `version` replaces a lower one."""

    speaker: str
    version: int
    settings: Mapping[str, Any]


def sign_config(key: SigningKey, config: Config) -> bytes:
    """The MQTT payload of a configuration: its JSON text, the kid and a signature over the exact text.

    A configuration may hold key sets and timetables, so it is not bound to the size of a command.
    """
    content = {"speaker": config.speaker, "version": config.version, "settings": dict(config.settings)}
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
    signature = to_base64url(key.sign(_to_be_signed(text)))
    return json.dumps({"config": text, "kid": key.kid.hex(), "signature": signature}).encode("ascii")


def open_config(payload: bytes, keys: Mapping[bytes, VerifyKey], speaker: str, known_version: int) -> Config:
    """Check and read a configuration; raise BadMessage with the reason.

    Order: shape, key, signature, content, speaker, version above `known_version`.
    """
    body = parse_object(payload)
    if body.keys() != {"config", "kid", "signature"} or type(body["config"]) is not str:
        raise BadMessage("bad_shape", "", "does not have exactly config, kid and signature")
    key = keys.get(_kid(body["kid"]))
    if key is None:
        raise BadMessage("unknown_key", "kid", "is not a key that is known here")
    try:
        signature = from_base64url(body["signature"])
    except ValueError as exc:
        raise BadMessage("bad_value", "signature", str(exc)) from exc
    if not key.verifies(signature, _to_be_signed(body["config"])):
        raise BadMessage("bad_signature", "signature", "is not right")
    content = parse_object(body["config"].encode("utf-8"))
    if content.keys() != {"speaker", "version", "settings"}:
        raise BadMessage("bad_shape", "config", "does not have exactly speaker, version and settings")
    version, settings = content["version"], content["settings"]
    if content["speaker"] != speaker:
        raise BadMessage("other_device", "config.speaker", "is not this speaker")
    if type(version) is not int or type(settings) is not dict:
        raise BadMessage("bad_value", "config", "needs a whole number as version and an object as settings")
    if version <= known_version:
        raise BadMessage("old_version", "config.version", f"is {version}; {known_version} is here already")
    return Config(speaker, version, settings)


def _to_be_signed(text: str) -> bytes:
    return DOMAIN + b"\0" + text.encode("utf-8")


def _kid(text: object) -> bytes:
    try:
        kid = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        kid = b""
    if len(kid) != KID_BYTES:
        raise BadMessage("bad_value", "kid", f"is not {KID_BYTES} bytes in hexadecimal digits")
    return kid
