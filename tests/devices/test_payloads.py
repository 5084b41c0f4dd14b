"""Messages as they were sent, each with what must come of it; a report of a mistake becomes a case first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from devices.decode import decode_event, decode_telemetry
from devices.registry import kinds
from domain.errors import BadMessage

PAYLOADS = Path(__file__).resolve().parents[1] / "payloads"
CASES = sorted(PAYLOADS.glob("*/*/*.payload"))


def outcome(kind: str, leaf: str, payload: bytes) -> dict[str, Any]:
    try:
        if leaf == "event":
            happening = decode_event(kinds()[kind], payload)
            return {name: value for name, value in happening._asdict().items() if name != "envelope"}
        reading = decode_telemetry(kinds()[kind], payload)
    except BadMessage as bad:
        return {"refused": bad.reason, "path": bad.path}
    parts = {str(n): fields for n, fields in reading.parts.items()}
    return {"fields": reading.fields, "parts": parts, "extra": reading.extra}


@pytest.mark.parametrize("case", CASES, ids=[f"{c.parts[-3]}/{c.parts[-2]}" for c in CASES])
def test_a_captured_message_gives_what_is_written_beside_it(case: Path) -> None:
    expected = json.loads((case.parent / "expected.json").read_text(encoding="utf-8"))
    assert outcome(case.parts[-3], case.stem, case.read_bytes()) == expected


def test_every_kind_has_captured_messages() -> None:
    assert {case.parts[-3] for case in CASES} == set(kinds())
