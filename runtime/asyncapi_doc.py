"""Writes the contract as an AsyncAPI 3.0 document, from the kinds, their models and the topics."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from devices.kind import Kind
from devices.message import Link, Message, Reply
from devices.registry import kinds
from domain import topics
from domain.ids import SPEAKER_KIND, DeviceId
from domain.json_input import MAX_BYTES
from runtime.down_messages import Ack, Config, Prepare, Signed
from runtime.settings import TREE

PAGE = TREE / "docs" / "asyncapi.yaml"
PAYLOADS = TREE / "tests" / "payloads"
HEAD = "# Written by `python -m runtime.contract_doc`: change devices/, not this.\n"
Json = dict[str, Any]

_ADCODE, _STATION, _N = "{adcode}", "{station}", "{n}"
_UP = {"qos": 1, "retain": False, "bindingVersion": "0.2.0"}
_DOWN = {"qos": 0, "retain": False, "bindingVersion": "0.2.0"}
_PARAMETERS: dict[str, Json] = {
    "adcode": {
        "description": "six-digit division (GB/T 2260) under which the station was provisioned",
        "examples": ["331002"],
    },
    "station": {"description": "name of the station", "examples": ["331002-0001"]},
    "n": {"description": "number of the device among those of its kind", "examples": ["1"]},
    "speaker": {
        "description": f"kind of what holds the connection: `{SPEAKER_KIND}` for an edge box",
        "default": SPEAKER_KIND,
        "examples": [SPEAKER_KIND, "door_lock"],
    },
    "speaker_n": {
        "description": "0 for an edge box, else the number of the device",
        "default": "0",
        "examples": ["0", "1"],
    },
}


def text() -> str:
    """The file's whole text."""
    return HEAD + yaml.dump(document(), Dumper=_Plain, allow_unicode=True, sort_keys=False, width=110)


def document() -> Json:
    """The document as JSON-able values."""
    made = _Made()
    for kind in kinds().values():
        made.add_kind(kind)
    commanded = [kind.name for kind in kinds().values() if kind.commands]
    made.add_speaker()
    made.add_commands(commanded)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Waystation device contract",
            "version": "1",
            "description": "How devices of rest stations and the hub speak over MQTT 3.1.1. What a schema "
            f"cannot say stands in contract.md. A payload is JSON, UTF-8, at most {MAX_BYTES} bytes.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "hub": {
                "host": "hub.example.org:8883",
                "protocol": "secure-mqtt",
                "protocolVersion": "3.1.1",
                "description": "The broker of a hub; on its own machine it may speak plain MQTT.",
                "security": [{"$ref": "#/components/securitySchemes/credential"}],
                "bindings": {
                    "mqtt": {
                        "cleanSession": True,
                        "keepAlive": 60,
                        "lastWill": {
                            "topic": topics.link("331002", DeviceId("331002-0001", SPEAKER_KIND, 0)),
                            "qos": 1,
                            "retain": False,
                            "message": '{"v":1,"online":false,"boot":"k3x9","conn":1}',
                        },
                        "bindingVersion": "0.2.0",
                    }
                },
            }
        },
        "channels": made.channels,
        "operations": made.operations,
        "components": {
            "securitySchemes": {
                "credential": {
                    "type": "userPassword",
                    "description": "Any username; the password is the station's credential, good for its own "
                    "topics only.",
                }
            },
            "parameters": _PARAMETERS,
            "messages": made.messages,
            "schemas": made.schemas,
        },
    }


class _Plain(yaml.SafeDumper):
    """Writes what occurs twice twice, not as an anchor."""

    def ignore_aliases(self, data: object) -> bool:
        return True


class _Made:
    """Channels, operations, messages and schemas as they come together."""

    def __init__(self) -> None:
        self.channels: Json = {}
        self.operations: Json = {}
        self.messages: Json = {}
        self.schemas: Json = {}

    def add_kind(self, kind: Kind) -> None:
        device = DeviceId(_STATION, kind.name, 0)
        name = f"{kind.name}.telemetry"
        examples = list(_captured(kind.name, "telemetry"))
        self._message(name, f"{kind.title_en}: state", kind.telemetry, examples)
        about = f"State, at least every {kind.period_s} s and when something changes."
        self._channel(name, topics.telemetry(_ADCODE, device), about, [name], up=True)
        if not kind.events:
            return
        names = []
        for type_, model in kind.events.items():
            names.append(f"{kind.name}.event.{type_}")
            examples = [one for one in _captured(kind.name, "event") if one["payload"]["type"] == type_]
            self._message(names[-1], f"{kind.title_en}: {type_}", model, examples)
        about = "What happened once."
        self._channel(f"{kind.name}.event", topics.event(_ADCODE, device), about, names, up=True)

    def add_speaker(self) -> None:
        speaker = DeviceId(_STATION, "{speaker}", 0)
        online = {"v": 1, "online": True, "boot": "k3x9", "conn": 1, "ts": 1795467427350, "dropped": 0}
        gone = {"v": 1, "online": False, "boot": "k3x9", "conn": 1}
        self._message("link", "Link", Link, [_example("here", online), _example("will", gone)])
        about = "I am here; the will: I am gone."
        self._channel("link", topics.link(_ADCODE, speaker), about, ["link"], up=True)
        kept = {"boot": "k3x9", "upto": 41, "also": [[43, 44]], "conn": 1, "now": 1795467427391}
        self._message("ack", "Ack", Ack, [_example("kept", kept | {"store": "9f2c41d07a55e310"})])
        self._channel("ack", topics.ack(_ADCODE, speaker), "What is kept.", ["ack"], up=False)
        signed = {"config": '{"settings":{},"speaker":"331002-0001/station/0","version":7}'}
        signed |= {"kid": "00112233aabbccdd", "signature": "pJ1n0rYQ"}
        self._message("config", "Configuration", Config, [_example("config", signed)])
        address = topics.ack(_ADCODE, speaker).removesuffix("ack") + "config"
        self._channel("config", address, "Signed settings.", ["config"], up=False)

    def add_commands(self, commanded: list[str]) -> None:
        device = DeviceId(_STATION, "{kind}", 0)
        id_ = "01JD8M"
        asked = {"prepare": id_, "action": "unlock"}
        self._message("prepare", "Ask for a nonce", Prepare, [_example("unlock", asked)])
        told = {"id": id_, "signed": "0oRNog"}
        self._message("signed", "Signed command", Signed, [_example("signed", told)])
        names = ["prepare", "signed"]
        about = "What to do; acts now or never."
        self._channel("command", topics.command(_ADCODE, device), about, names, up=False, of=commanded)
        envelope = {"v": 1, "ts": None, "boot": "k3x9", "seq": 42, "low": 40, "id": id_}
        examples = [
            _example("nonce", envelope | {"state": "nonce", "nonce": "yE3qAAECAwQFBgcICQoLDA"}),
            _example("done", envelope | {"state": "done"}),
            _example("refused", envelope | {"state": "rejected", "reason": "expired"}),
        ]
        self._message("reply", "Reply", Reply, examples)
        about = "Answers to commands."
        self._channel("reply", topics.reply(_ADCODE, device), about, ["reply"], up=True, of=commanded)
        self.operations["hub.send.command"]["reply"] = {
            "channel": {"$ref": "#/channels/reply"},
            "messages": [{"$ref": "#/channels/reply/messages/reply"}],
        }

    def _message(self, name: str, title: str, model: type[BaseModel], examples: list[Json]) -> None:
        schema = model.model_json_schema(ref_template="#/components/schemas/" + name + ".{model}")
        for inner, definition in schema.pop("$defs", {}).items():
            self.schemas[f"{name}.{inner}"] = definition
        self.schemas[name] = schema
        made: Json = {"name": name, "title": title, "summary": (model.__doc__ or "").strip()}
        made["payload"] = {"$ref": f"#/components/schemas/{name}"}
        if issubclass(model, Message):
            made["description"] = "Carries the envelope: v, ts, boot, seq and, if anything is kept, low."
        if examples:
            made["examples"] = examples
        self.messages[name] = made

    def _channel(
        self,
        name: str,
        address: str,
        about: str,
        messages: list[str],
        *,
        up: bool,
        of: list[str] | None = None,
    ) -> None:
        # The topics' own functions write the address, so it cannot differ from what is sent.
        address = address.replace("/0/", "/{speaker_n}/" if "{speaker}" in address else f"/{_N}/")
        used = [level[1:-1] for level in address.split("/") if level.startswith("{")]
        parameters: Json = {
            one: {"$ref": f"#/components/parameters/{one}"} for one in used if one in _PARAMETERS
        }
        if of is not None:
            parameters["kind"] = {"description": "kinds that take commands", "enum": of}
        self.channels[name] = {
            "address": address,
            "description": about,
            "messages": {one: {"$ref": f"#/components/messages/{one}"} for one in messages},
            "parameters": parameters,
        }
        for side in ("device", "hub"):
            action = "send" if up == (side == "device") else "receive"
            self.operations[f"{side}.{action}.{name}"] = {
                "action": action,
                "channel": {"$ref": f"#/channels/{name}"},
                "summary": about,
                "tags": [{"name": side}],
                "messages": [{"$ref": f"#/channels/{name}/messages/{one}"} for one in messages],
                "bindings": {"mqtt": _UP if up else _DOWN},
            }


def _captured(kind: str, leaf: str) -> Iterator[Json]:
    """Messages as they were once sent, those that were understood."""
    for case in sorted(PAYLOADS.glob(f"{kind}/*/{leaf}.payload")):
        if "refused" not in json.loads(_beside(case).read_text(encoding="utf-8")):
            yield _example(case.parent.name, json.loads(case.read_bytes()))


def _beside(case: Path) -> Path:
    return case.parent / "expected.json"


def _example(name: str, payload: Mapping[str, Any]) -> Json:
    return {"name": name, "payload": dict(payload)}
