"""Whoever watches the hub sees from its metrics how readings get to InfluxDB."""

from __future__ import annotations

from storage import sending, series_outbox
from tests.api.conftest import World
from tests.courier.outbox_rows import keep, sensors


def test_metrics_tell_what_waits_for_influxdb_and_for_how_long(world: World) -> None:
    assert "waystation_series" not in world.client.get("/metrics").text
    now_ms = world.state.clock.now_ms()
    keep(world.state.db, list(sensors(40, now_ms - 60_000)))
    with world.state.db.write() as connection:
        assert sending.claim(connection, "me", now_ms)
        first = series_outbox.read(connection, 0, 1)[0].id
        assert sending.advance(connection, "me", 0, first + 9, messages=9, points=21, too_old=1)
        sending.note(connection, "me", "away", "no answer", now_ms)
    told = dict(
        line.rsplit(" ", 1)
        for line in world.client.get("/metrics").text.splitlines()
        if line.startswith("waystation_series")
    )
    assert told['waystation_series_sender{state="away"}'] == "1.0"
    assert told['waystation_series_sender{state="sending"}'] == "0.0"
    assert told["waystation_series_waiting"] == "30.0"
    assert float(told["waystation_series_waiting_bytes"]) > 30 * 100
    assert told["waystation_series_points"] == "21.0"
    assert told["waystation_series_too_old"] == "1.0"
    assert float(told["waystation_series_oldest_seconds"]) > 0
