"""Strangers' requests made from the description: no crash, no answer that the description does not know."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from storage.tokens import SCOPES
from tests.api.conftest import World

pytestmark = pytest.mark.integration

STREAMS = re.compile(r"/api/v1/(live|commands/\{command_id\}/stream)")


def test_no_request_breaks_the_api_or_its_description(world: World) -> None:
    # Reading it takes every collection half a second.
    import schemathesis
    from schemathesis.core.result import Ok
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    world.alert(latched=True)
    world.look()
    headers = world.token(*SCOPES)
    schema = schemathesis.openapi.from_asgi("/openapi.json", world.app)
    tried = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        if STREAMS.fullmatch(operation.path):
            continue
        tried += 1

        @given(case=operation.as_strategy())
        @settings(
            max_examples=12, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
        )
        def ask(case: Any) -> None:
            # A cursor is a word of ours: no schema can say which ones are good.
            case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance])

        ask()
    assert tried > 15
