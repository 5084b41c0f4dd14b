"""Whoever watches the hub sees from its metrics that people are not told."""

from __future__ import annotations

from storage import notices
from tests.api.conftest import World


def test_metrics_tell_for_how_long_somebody_waits_to_be_told(world: World) -> None:
    assert oldest_s(world) == 0
    world.alert("a1")
    with world.db.write() as conn:
        assert notices.create(conn, "a1", "opened", "webhook", world.clock.now_ms() - 900_000)
    assert oldest_s(world) >= 900


def oldest_s(world: World) -> float:
    lines = world.client.get("/metrics").text.splitlines()
    (line,) = [line for line in lines if line.startswith("waystation_notices_oldest_seconds ")]
    return float(line.split()[1])
