"""The same road on PostgreSQL: what is different there is who waits for whom."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from storage.database import open_database
from storage.migrate import upgrade
from storage.tables import access, command
from tests.api.conftest import DOOR, HERE, World

pytestmark = pytest.mark.integration


@pytest.fixture
def world(postgresql_url: str) -> Iterator[World]:
    upgrade(postgresql_url)
    database = open_database(postgresql_url)
    world = World(database)
    world.build()
    yield world
    database.close()


def count(world: World, table: sa.Table) -> int:
    with world.db.read() as conn:
        return conn.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def test_twenty_taps_at_once_make_one_command(world: World) -> None:
    opener = world.token("door:open")

    def tap(n: int) -> tuple[int, str | None]:
        headers = {**opener, "Idempotency-Key": "the-same-key" if n % 2 else f"key-of-tap-{n}"}
        answer = world.client.post(f"/api/v1/doors/{DOOR}/unlock", headers=headers)
        return answer.status_code, answer.json().get("command")

    with world.client, ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(tap, range(20)))
    assert {status for status, _ in answers} <= {202, 429}
    assert len({id_ for status, id_ in answers if status == 202}) == 1
    assert count(world, command) == 1
    assert 1 <= count(world, access) <= 20


def test_what_everyone_and_what_staff_sees(world: World) -> None:
    world.alert()
    world.look()
    assert world.get(f"/api/v1/stations/{HERE}")["availability"]["state"] == "open"
    staff = world.token("alerts:read", "alerts:write", "devices:read", area="3310")
    (alert,) = world.get("/api/v1/alerts?state=open", staff)["items"]
    assert world.post(f"/api/v1/alerts/{alert['id']}/acknowledge", staff)["state"] == "acknowledged"
    assert len(world.get(f"/api/v1/devices?station={HERE}", staff)["items"]) == 3
    assert world.get("/readyz")["status"] == "ok"
    assert "waystation_stations 3.0" in world.client.get("/metrics").text
