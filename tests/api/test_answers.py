"""What every answer has in common: headers, problems, limits, a description that is true."""

from __future__ import annotations

import threading
from typing import Any

import jsonschema
import pytest

from api import divisions
from api.limits import RateLimit
from domain.errors import BadSettings, StorageUnavailable
from tests.api.conftest import DOOR, HERE, TREE, ShiftedClock, World


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/?plain=1",
        f"/d/{DOOR}",
        "/docs",
        "/api/v1/stations",
        "/nothing",
        "/healthz",
        "/static/tokens.css",
    ],
)
def test_every_answer_tells_browsers_to_be_careful(world: World, path: str) -> None:
    headers = world.client.get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe-inline" not in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


def test_an_error_that_nobody_expected_tells_strangers_nothing(world: World) -> None:
    def breaks(_: str) -> None:
        raise ZeroDivisionError("a secret detail")

    world.state.board.get = breaks  # type: ignore[method-assign, assignment]
    answer = world.client.get(f"/api/v1/stations/{HERE}")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-frame-options"] == "DENY"
    assert "secret" not in answer.text


def test_a_database_that_is_away_is_said_so(world: World) -> None:
    def away() -> None:
        raise StorageUnavailable("SQLite is not available: disk I/O error.")

    staff = world.token("alerts:read")
    world.state.db.read = away  # type: ignore[method-assign, assignment]
    answer = world.client.get("/api/v1/alerts", headers=staff)
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert answer.headers["retry-after"] == "3"
    assert world.client.get("/readyz").status_code == 503
    assert world.client.get("/healthz").status_code == 200
    assert world.client.get(f"/api/v1/stations/{HERE}").status_code == 200, "what is known stays known"


def test_a_body_that_is_too_large_is_refused(world: World) -> None:
    answer = world.client.post(
        "/api/v1/alerts/x/reset", content=b"x" * 600_000, headers=world.token("alerts:write")
    )
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"reason":1}', b"\xff", b"[" * 5_000])
def test_a_body_that_makes_no_sense_is_a_problem(world: World, body: bytes) -> None:
    headers = {**world.token("alerts:write"), "Content-Type": "application/json"}
    answer = world.client.post("/api/v1/alerts/x/reset", content=body, headers=headers)
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_description_of_shapes_holds_for_what_is_answered(world: World) -> None:
    api = world.get("/openapi.json")
    staff = world.token("alerts:read", "devices:read")
    world.alert()
    world.look()
    for path, shape in (
        ("/api/v1/stations", "StationsPage"),
        (f"/api/v1/stations/{HERE}", "Station"),
        ("/api/v1/availability", "AvailabilityList"),
        (f"/api/v1/doors/{DOOR}", "Door"),
        ("/api/v1/alerts", "AlertsPage"),
        (f"/api/v1/devices?station={HERE}", "DeviceList"),
    ):
        schema: dict[str, Any] = {"$ref": f"#/components/schemas/{shape}", "components": api["components"]}
        for headers in ({}, staff) if "alerts" not in path and "devices" not in path else (staff,):
            jsonschema.validate(world.get(path, headers), schema)
    jsonschema.validate(
        world.get("/api/v1/stations/x", status=422),
        {"$ref": "#/components/schemas/ProblemBody", "components": api["components"]},
    )


def test_the_docs_work_without_a_network(world: World) -> None:
    page = world.client.get("/docs")
    assert page.status_code == 200
    assert "<script" not in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "/api/v1/doors/{door_code}/unlock" in page.text
    assert world.client.get("/docs/style.css").headers["content-type"].startswith("text/css")


def test_the_pages_are_there(world: World) -> None:
    assert "text/html" in world.client.get("/").headers["content-type"]
    plain = world.client.get("/?plain=1&lang=en").text
    assert "椒江万达劳动者驿站" in plain
    assert "Jiaojiang" in plain
    assert world.client.get(f"/d/{DOOR}").status_code == 200
    assert world.client.get("/d/nosuchdoor").status_code == 404
    named = world.client.get("/static/tokens.css?v=1").headers["cache-control"]
    assert "immutable" in named
    assert world.client.get("/static/tokens.css").headers["cache-control"] == "no-cache"
    assert world.client.get("/static/../pages.py").status_code == 404


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/d/nosuchdoor", 404, "没有这扇门"),
        ("/d/half%20a%20code", 422, "没有这扇门"),
        ("/nosuchpage", 404, "没有这个页面"),
    ],
)
def test_a_person_with_a_browser_is_told_in_a_page(world: World, path: str, status: int, said: str) -> None:
    answer = world.client.get(path, headers={"Accept": "text/html,*/*;q=0.8"})
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert said in answer.text
    program = world.client.get(path)
    assert program.headers["content-type"] == "application/problem+json"


def test_what_is_for_programs_answers_a_browser_as_it_answers_them(world: World) -> None:
    browser = {"Accept": "text/html"}
    assert world.client.get("/api/v1/nothing", headers=browser).json()["code"] == "not_found"
    world.clock.ahead_s = 60
    assert world.client.get("/readyz", headers=browser).json()["code"] == "feed_behind"


def test_readiness_says_what_is_missing(world: World) -> None:
    ready = world.get("/readyz")
    assert (ready["status"], ready["hub"]) == ("ok", True)
    world.clock.ahead_s = 60
    assert world.get("/readyz", status=503)["code"] == "feed_behind"


def test_the_table_of_divisions_names_every_county_in_english(tmp_path: object) -> None:
    counties = divisions.load(TREE / "data" / "zj_divisions.csv")
    assert len(counties) == 90
    assert all(county.name_en.isascii() or "’" in county.name_en for county in counties.values())
    assert divisions.named(counties, "990000").name == "990000"
    with pytest.raises(BadSettings, match=r"nothing\.csv"):
        divisions.load(TREE / "nothing.csv")


def test_a_rate_limit_fills_up_again_and_forgets_nobody_too_soon() -> None:
    clock = ShiftedClock()
    limit = RateLimit(clock, per_minute=60, burst=2)
    assert [limit.wait_s("a"), limit.wait_s("a")] == [0, 0]
    assert 0.9 < limit.wait_s("a") <= 1
    assert limit.wait_s("b") == 0
    clock.ahead_s = 1.01
    assert limit.wait_s("a") == 0
    taken: list[float] = []
    threads = [threading.Thread(target=lambda: taken.append(limit.wait_s("c"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken.count(0) == 2
