"""Strangers' requests made from the description: no crash, no answer that the description does not know."""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from storage.database import open_database
from storage.migrate import upgrade
from storage.tokens import SCOPES
from tests.api.conftest import World

pytestmark = pytest.mark.integration

STREAMS = r"/api/v1/(live|commands/\{command_id\}/stream)"


@cache
def world() -> World:
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    url = f"sqlite:///{folder / 'hub.sqlite3'}"
    upgrade(url)
    made = World(open_database(url))
    made.build()
    made.alert(latched=True)
    made.look()
    return made


@pytest.fixture(scope="module", autouse=True)
def _put_away() -> object:
    yield
    folder = Path(str(world().db._writer.url.database)).parent
    world().db.close()
    shutil.rmtree(folder)


@pytest.fixture
def api() -> object:
    return schemathesis.openapi.from_asgi("/openapi.json", world().app)


schema = schemathesis.pytest.from_fixture("api").exclude(path_regex=STREAMS)


@schema.parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_request_breaks_the_api_or_its_description(case: schemathesis.Case) -> None:
    headers = world().token(*SCOPES)
    case.call_and_validate(headers=headers)
