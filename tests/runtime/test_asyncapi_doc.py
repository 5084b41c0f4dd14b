"""The AsyncAPI document is one, says what the code does, and points at nothing that is not there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import jsonschema
import pytest
import yaml

from devices.registry import kinds
from domain import topics
from domain.ids import edge_box
from domain.watermark import Watermark
from gateway.acks import encode_ack
from runtime import asyncapi_doc, down_messages
from runtime.settings import TREE
from signing.command import Command, prepare_payload, sign_command, signed_payload
from signing.config import Config, sign_config
from signing.keys import SigningKey

PUBLISHED = json.loads((TREE / "tests/project/asyncapi/3.0.0.json").read_text(encoding="utf-8"))
PAGE = asyncapi_doc.PAGE.read_text(encoding="utf-8")
DOCUMENT: dict[str, Any] = yaml.load(PAGE, yaml.CSafeLoader)
KEY = SigningKey(bytes(range(32)))


def walk(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    yield path, value
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from walk(inner, f"{path}/{name}")
    elif isinstance(value, list):
        for n, inner in enumerate(value):
            yield from walk(inner, f"{path}/{n}")


def resolve(document: Any, reference: str) -> Any:
    found = document
    for step in reference.removeprefix("#/").split("/"):
        found = found[step.replace("~1", "/").replace("~0", "~")]
    return found


def dangling(document: dict[str, Any]) -> list[str]:
    missing = []
    for path, value in walk(document):
        if isinstance(value, dict) and isinstance(value.get("$ref"), str):
            try:
                resolve(document, value["$ref"])
            except (KeyError, TypeError):
                missing.append(f"{path} -> {value['$ref']}")
    return missing


def wrong_examples(document: dict[str, Any]) -> list[str]:
    """Examples that their message's schema refuses, with the path."""
    wrong = []
    for name, message in document["components"]["messages"].items():
        schema = {**message["payload"], "components": document["components"]}
        validator = jsonschema.Draft7Validator(schema)
        for example in message.get("examples", []):
            wrong += [f"{name} {e.json_path}: {e.message}" for e in validator.iter_errors(example["payload"])]
    return wrong


def test_the_file_is_up_to_date() -> None:
    assert asyncapi_doc.text() == PAGE, (
        "docs/asyncapi.yaml has drifted from devices/: run `python -m runtime.contract_doc`"
    )


def test_it_is_what_asyncapi_calls_a_document() -> None:
    errors = jsonschema.Draft7Validator(PUBLISHED).iter_errors(DOCUMENT)

    assert [f"{error.json_path}: {error.message[:200]}" for error in errors] == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.pop("info"),
        lambda d: d["channels"]["link"].update(adress="typo"),
        lambda d: d["operations"]["hub.send.ack"].update(action="publish"),
        lambda d: d["operations"]["hub.send.ack"]["bindings"]["mqtt"].update(qos=7),
    ],
)
def test_the_published_schema_finds_mistakes(spoil: Any) -> None:
    spoilt = deepcopy(DOCUMENT)
    spoil(spoilt)

    assert not jsonschema.Draft7Validator(PUBLISHED).is_valid(spoilt)


def test_no_reference_dangles() -> None:
    assert dangling(DOCUMENT) == []


def test_a_dangling_reference_would_be_found() -> None:
    spoilt = deepcopy(DOCUMENT)
    del spoilt["components"]["schemas"]["swap_cabinet.telemetry.Slot"]

    assert dangling(spoilt) != []


def test_every_example_is_valid() -> None:
    assert wrong_examples(DOCUMENT) == []


def test_a_wrong_example_would_be_found() -> None:
    spoilt = deepcopy(DOCUMENT)
    spoilt["components"]["messages"]["swap_cabinet.telemetry"]["examples"][0]["payload"]["seq"] = "one"

    assert wrong_examples(spoilt) != []


def test_captured_messages_are_the_examples_of_their_kind() -> None:
    captured = {
        case.parts[-2]: json.loads(case.read_bytes())
        for case in asyncapi_doc.PAYLOADS.glob("door_lock/*/telemetry.payload")
        if "refused" not in json.loads((case.parent / "expected.json").read_text(encoding="utf-8"))
    }
    shown = DOCUMENT["components"]["messages"]["door_lock.telemetry"]["examples"]

    assert {one["name"]: one["payload"] for one in shown} == captured
    assert captured


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_has_its_channels(kind: str) -> None:
    assert DOCUMENT["channels"][f"{kind}.telemetry"]["address"] == (
        f"ws/{{adcode}}/{{station}}/bulk/{kind}/{{n}}/telemetry"
    )
    said = DOCUMENT["channels"].get(f"{kind}.event", {"messages": {}})["messages"]
    assert {name.rpartition(".")[2] for name in said} == set(kinds()[kind].events)
    commanded = kind in DOCUMENT["channels"]["command"]["parameters"]["kind"]["enum"]
    assert commanded == bool(kinds()[kind].commands)


def test_every_address_is_a_topic_of_the_contract_and_names_its_parameters() -> None:
    values = {"adcode": "331002", "station": "331002-0001", "n": "1", "kind": "door_lock"}
    values |= {"speaker": "station", "speaker_n": "0"}
    for channel in DOCUMENT["channels"].values():
        topics.parse(channel["address"].format(**values))
        assert {f"{{{name}}}" for name in channel["parameters"]} == {
            level for level in channel["address"].split("/") if level.startswith("{")
        }


def test_both_sides_have_an_operation_for_every_channel_and_opposite_roles() -> None:
    for name in DOCUMENT["channels"]:
        sides = [
            [action for action in ("receive", "send") if f"{side}.{action}.{name}" in DOCUMENT["operations"]]
            for side in ("device", "hub")
        ]
        assert sorted(sides) == [["receive"], ["send"]]


def test_stations_publish_at_qos_1_the_hub_at_0_and_nobody_retains() -> None:
    for name, operation in DOCUMENT["operations"].items():
        up = name.startswith(("device.send", "hub.receive"))
        assert operation["bindings"]["mqtt"] == {"qos": int(up), "retain": False, "bindingVersion": "0.2.0"}


def test_what_the_hub_really_sends_is_what_the_document_says() -> None:
    command = Command("331002-0001/door_lock/1", "01JD8M", "unlock", {"open_s": 5})
    mark = Watermark(3, [[5, 6]])
    down_messages.Ack.model_validate_json(encode_ack("k3x9", mark, [5], None, 1, "9f2c"))
    down_messages.Prepare.model_validate_json(prepare_payload("01JD8M", "unlock"))
    down_messages.Signed.model_validate_json(signed_payload("01JD8M", sign_command(KEY, command, bytes(16))))
    settings = sign_config(KEY, Config(str(edge_box("331002-0001")), 1, {}))
    down_messages.Config.model_validate_json(settings)
