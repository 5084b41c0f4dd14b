"""The contract's page and schemas say what the code does."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from devices.decode import decode_telemetry
from devices.registry import kinds
from domain.errors import BadMessage
from runtime import contract_doc

SCHEMAS = contract_doc.schemas()


def test_the_page_is_up_to_date() -> None:
    page = contract_doc.PAGE.read_text(encoding="utf-8")

    assert contract_doc.page_with(page, contract_doc.section()) == page, (
        "docs/contract.md has drifted from devices/: run `python -m runtime.contract_doc`"
    )


def test_the_schemas_are_up_to_date() -> None:
    kept = {file.name: file.read_text(encoding="utf-8") for file in contract_doc.SCHEMAS.glob("*")}

    assert kept == SCHEMAS, "docs/schemas has drifted from devices/: run `python -m runtime.contract_doc`"


def test_a_page_without_markers_is_not_written() -> None:
    with pytest.raises(ValueError, match="markers"):
        contract_doc.page_with("nothing", "something")


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(SCHEMAS[name]))


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_has_its_schemas_and_its_place_on_the_page(kind: str) -> None:
    assert f"{kind}.telemetry.json" in SCHEMAS
    assert f"### {kind}: " in contract_doc.section()
    for name in (*kinds()[kind].metrics, *kinds()[kind].events, *kinds()[kind].commands):
        assert f"| `{name}` |" in contract_doc.section()


@pytest.mark.parametrize(
    ("fields", "good"),
    [
        ({}, True),
        ({"seq": -1}, False),
        ({"seq": "1"}, False),
        ({"boot": "with space"}, False),
        ({"v": 2}, False),
        ({"slots": [{"n": 3, "temp_c": 66.0}]}, True),
        ({"slots": [{"n": 3, "temp_c": "hot"}]}, False),
        ({"slots": [{"n": 49}]}, False),
        ({"smoke": None, "of_the_maker": {"x": 1}}, True),
    ],
)
def test_schema_and_decoder_agree(fields: dict[str, Any], good: bool) -> None:
    message = {"v": 1, "ts": None, "boot": "b1", "seq": 1, **fields}
    schema = json.loads(SCHEMAS["swap_cabinet.telemetry.json"])
    try:
        decode_telemetry(kinds()["swap_cabinet"], json.dumps(message).encode())
        decoded = True
    except BadMessage:
        decoded = False

    assert (jsonschema.Draft202012Validator(schema).is_valid(message), decoded) == (good, good)
