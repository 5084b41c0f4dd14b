"""A back-test asked for through the API: what it tells, whom, and when it refuses."""

from __future__ import annotations

import pytest

from domain.facts import Value
from domain.ids import edge_box
from storage import rulebooks
from storage.series import SeriesRow, SqlSeries
from tests.api.conftest import CABINET, HERE, World, paths
from tests.rules.short_rules import BOOK

pytestmark = pytest.mark.integration

ADDRESS = "/api/v1/rules/backtest"
OLD = BOOK.replace("silent: 2s", "silent: 10m").replace("silent: 5s", "silent: 10m")
NEW = OLD.replace("temp_c >= 60, for: 1s", "temp_c >= 70, for: 1s")
MINUTE_MS = 60_000


@pytest.fixture
def hub(world: World) -> World:
    """A hub whose cabinet was hot for three minutes of the last hour."""
    begin_ms = world.clock.now_ms() - 60 * MINUTE_MS
    rows = []
    for minute in range(60):
        at_ms = begin_ms + minute * MINUTE_MS
        slots: dict[int, dict[str, Value]] = {3: {"temp_c": 64.5 if minute in (10, 11, 12) else 30.0}}
        rows.append(
            SeriesRow(CABINET, edge_box(HERE), "b", minute, at_ms, at_ms, at_ms, {"smoke": False}, slots, {})
        )
    with world.db.write() as conn:
        rulebooks.add(conn, OLD, "test", 1)
        SqlSeries().append(conn, "swap_cabinet", rows)
    return world


def test_it_counts_both_rulebooks_and_shows_examples(hub: World) -> None:
    headers = hub.token("rules:read", "alerts:read")
    answer = hub.post(ADDRESS, headers, 200, {"text": NEW, "hours": 2})

    assert (answer["before"], answer["after"], answer["summary"]) == (1, 0, "0 alerts instead of 1")
    hot = answer["rules"][0]
    assert (hot["code"], hot["counties"]) == ("hot", [{"adcode": "331002", "before": 1, "after": 0}])
    (example,) = hot["before"]["examples"]
    assert (example["station"], example["device"], example["part"]) == (HERE, "swap_cabinet/1", 3)
    assert example["values"] == {"temp_c": 64.5}
    assert example["lasted_s"] == 181
    assert example["begun"].endswith("Z")


def test_a_token_of_elsewhere_counts_only_what_it_may_see(hub: World) -> None:
    headers = hub.token("rules:read", "alerts:read", area="3301")
    assert hub.post(ADDRESS, headers, 200, {"text": NEW, "hours": 2})["messages"] == 0
    refused = hub.post(ADDRESS, headers, 422, {"text": NEW, "area": "3310"})
    assert paths(refused) == ["body.area"]


def test_mistakes_come_with_line_and_field_and_too_much_is_refused(hub: World) -> None:
    headers = hub.token("rules:read", "alerts:read")
    broken = NEW.replace("temp_c >= 70", "temprature >= 70")
    answer = hub.post(ADDRESS, headers, 422, {"text": broken})
    assert answer["code"] == "bad_rulebook"
    assert "text:3: rules.1.when: unknown field 'temprature'" in answer["errors"][0]["detail"]
    assert paths(hub.post(ADDRESS, headers, 422, {"text": NEW, "hours": 10_000})) == ["body.hours"]
    assert paths(hub.post(ADDRESS, headers, 422, {"text": NEW, "own": True})) == ["body.area"]
