"""Every address of the API against nobody, a token without the scope, one of elsewhere, and the right one."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from storage import commands, quarantine, rulebooks
from storage.database import open_database
from storage.quarantine import BadRow
from tests.api.conftest import DOOR, HERE, World

PUBLIC = "public"


class Case(NamedTuple):
    """What an address needs, how to ask it rightly, and what the right token gets.

    `elsewhere` is the answer to a token with the scope for another area; where the answer depends on
    the area without refusing (a list), it is 200 and `hidden` must not stand in it.
    """

    scope: str
    path: str
    right: int = 200
    elsewhere: int = 404
    hidden: str | None = None
    body: Any = None
    without: int = 403


ALERT = "000000000001aaaaaaaaaaaa"
RULES = """
rules:
  - code: our_door_open
    kind: door_lock
    when: leaf == "open"
    for: 10m
    severity: minor
    texts: {zh: "【一般】{station}：门开着。", en: "[Minor] {station}: the door is open."}
"""
CASES: dict[str, Case] = {
    "GET /api/v1/stations": Case(PUBLIC, "/api/v1/stations?area=331002", hidden='"people"'),
    "GET /api/v1/stations/{station_id}": Case(PUBLIC, f"/api/v1/stations/{HERE}", hidden='"alerts"'),
    "GET /api/v1/stations/{station_id}/availability": Case(
        PUBLIC, f"/api/v1/stations/{HERE}/availability", hidden='"people"'
    ),
    "GET /api/v1/availability": Case(PUBLIC, "/api/v1/availability?area=3310", hidden='"people"'),
    "GET /api/v1/doors/{door_code}": Case(PUBLIC, f"/api/v1/doors/{DOOR}", hidden='"alerts"'),
    "GET /api/v1/devices": Case("devices:read", f"/api/v1/devices?station={HERE}"),
    "GET /api/v1/devices/{station_id}/{kind}/{n}": Case(
        "devices:read", f"/api/v1/devices/{HERE}/door_lock/1"
    ),
    "GET /api/v1/history/{station_id}/{kind}/{n}": Case(
        "history:read", f"/api/v1/history/{HERE}/swap_cabinet/1?metric=temp_c&part=3"
    ),
    "GET /api/v1/alerts": Case("alerts:read", "/api/v1/alerts", elsewhere=200, hidden=ALERT),
    "GET /api/v1/alerts/{alert_id}": Case("alerts:read", f"/api/v1/alerts/{ALERT}"),
    "POST /api/v1/alerts/{alert_id}/acknowledge": Case("alerts:write", f"/api/v1/alerts/{ALERT}/acknowledge"),
    "POST /api/v1/alerts/{alert_id}/reset": Case(
        "alerts:write", "/api/v1/alerts/{latched}/reset", body={"reason": "到场检查，误报"}
    ),
    "POST /api/v1/doors/{door_code}/unlock": Case(
        "door:open", f"/api/v1/doors/{DOOR}/unlock", right=202, elsewhere=403
    ),
    "GET /api/v1/commands/{command_id}": Case("door:open", "/api/v1/commands/{command}"),
    "GET /api/v1/quarantine": Case(
        "quarantine:read", f"/api/v1/quarantine?station={HERE}", elsewhere=422, hidden="bad_payload"
    ),
    "POST /api/v1/quarantine/{message_id}/replay": Case(
        "quarantine:write", "/api/v1/quarantine/1/replay", right=202
    ),
    "GET /api/v1/reports/utilisation": Case(
        "reports:read", "/api/v1/reports/utilisation?area=331002", elsewhere=200, hidden=HERE
    ),
    "GET /api/v1/alerts/{alert_id}/explain": Case("alerts:read", f"/api/v1/alerts/{ALERT}/explain"),
    "GET /api/v1/rules": Case("rules:read", "/api/v1/rules", elsewhere=200, hidden=f'"{HERE}"', without=200),
    "GET /api/v1/rules/{version}": Case("rules:read", "/api/v1/rules/{here_old}", without=200),
    "POST /api/v1/rules/check": Case(
        "rules:read", "/api/v1/rules/check", elsewhere=200, without=200, body={"text": RULES, "area": HERE}
    ),
    "POST /api/v1/rules/diff": Case(
        "rules:read",
        "/api/v1/rules/diff",
        elsewhere=200,
        hidden='"stations":1',
        without=200,
        body={"text": RULES.replace("10m", "20m"), "area": HERE},
    ),
    "POST /api/v1/rules/backtest": Case(
        "rules:read",
        "/api/v1/rules/backtest",
        elsewhere=422,
        body={"text": RULES, "area": HERE, "own": True, "hours": 1},
    ),
    "POST /api/v1/rules": Case(
        "rules:write", "/api/v1/rules", right=201, elsewhere=403, body={"text": RULES, "area": HERE}
    ),
    "POST /api/v1/rules/{version}/rollback": Case(
        "rules:write", "/api/v1/rules/{here_old}/rollback", right=201
    ),
    "POST /api/v1/rules/drop": Case("rules:write", "/api/v1/rules/drop", elsewhere=403, body={"area": HERE}),
    "GET /healthz": Case(PUBLIC, "/healthz"),
    "GET /readyz": Case(PUBLIC, "/readyz"),
    "GET /metrics": Case(PUBLIC, "/metrics"),
}
# Streams never end by themselves; their rights are tested where they are read.
STREAMS = {"GET /api/v1/live", "GET /api/v1/commands/{command_id}/stream"}
PRIVATE = [name for name, case in CASES.items() if case.scope != PUBLIC]


@pytest.fixture(scope="module")
def full(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A hub in which every address has something to show; one for all tests here, since it is only asked."""
    path = tmp_path_factory.mktemp("rights") / "hub.sqlite3"
    shutil.copy(migrated_file, path)
    db = open_database(f"sqlite:///{path}")
    world = World(db)
    world.build()
    world.alert(ALERT)
    with world.db.write() as conn:
        row = BadRow("ws/x", b"{}", "bad_payload", "bolt", "is not a bolt", 1, HERE, None, None)
        quarantine.put_many(conn, [row])
        rulebooks.seed(conn, RULES, 1)
        rulebooks.add(conn, RULES, "cli", 1, area=HERE)
    world.look()
    yield world
    db.close()


@pytest.fixture(autouse=True)
def well(full: World) -> None:
    """Time does not pass between two tests."""
    full.clock.ahead_s = 0
    full.beat()


def ask(world: World, name: str, headers: dict[str, str] | None) -> Any:
    world.look()  # readiness asks how long ago that was, and these tests take their time
    method, case = name.split()[0], CASES[name]
    path = case.path
    if "{latched}" in path:
        path = path.replace(
            "{latched}", world.alert(commands.new_id(1), code=commands.new_id(2), latched=True)
        )
    if "{here_old}" in path or name == "POST /api/v1/rules/drop":
        with world.db.write() as conn:
            old = rulebooks.add(conn, RULES, "cli", 1, area=HERE).version
            rulebooks.add(conn, RULES, "cli", 2, area=HERE)
        path = path.replace("{here_old}", str(old))
    if "{command}" in path:
        made = world.post(f"/api/v1/doors/{DOOR}/unlock", world.token("door:open"), 202)
        path = path.replace("{command}", made["command"])
    return world.client.request(method, path, headers=headers or {}, json=case.body)


def test_every_address_stands_in_this_table(full: World) -> None:
    described = {
        f"{method.upper()} {path}"
        for path, methods in full.get("/openapi.json")["paths"].items()
        for method in methods
    }
    assert described == set(CASES) | STREAMS


@pytest.mark.parametrize("name", PRIVATE)
def test_nobody_gets_nothing(full: World, name: str) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer ws_0000000000_" + "a" * 43},
        {"Authorization": "Basic eDp5"},
    ):
        answer = ask(full, name, headers)
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("name", PRIVATE)
def test_a_token_without_the_scope_is_refused(full: World, name: str) -> None:
    answer = ask(full, name, full.token("stations:read", "rules:read"))
    assert answer.status_code == CASES[name].without


@pytest.mark.parametrize("name", PRIVATE)
def test_a_revoked_or_expired_token_is_nobody(full: World, name: str) -> None:
    headers = full.token(CASES[name].scope, expires_in_s=60)
    full.clock.ahead_s = 61
    assert ask(full, name, headers).status_code == 401


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_token_of_elsewhere_sees_nothing_of_here(full: World, name: str) -> None:
    case = CASES[name]
    scopes = {"alerts:read", "devices:read"} | ({case.scope} - {PUBLIC})
    answer = ask(full, name, full.token(*scopes, area="3301"))
    assert answer.status_code == (case.right if case.scope == PUBLIC else case.elsewhere)
    assert case.hidden is None or case.hidden not in answer.text


@pytest.mark.parametrize("name", sorted(CASES))
@pytest.mark.parametrize("area", ["", HERE])
def test_the_right_token_gets_what_it_asks_for(full: World, name: str, area: str) -> None:
    case = CASES[name]
    scopes = {"alerts:read"} | ({case.scope} - {PUBLIC})
    answer = ask(full, name, full.token(*scopes, area=area))
    assert answer.status_code == case.right, answer.text
    assert case.hidden is None or case.hidden in answer.text


def test_what_is_not_yours_looks_like_what_is_not_there(full: World) -> None:
    headers = full.token("alerts:read", "devices:read", area="3301")
    for theirs, nowhere in (
        (f"/api/v1/alerts/{ALERT}", "/api/v1/alerts/000000000009aaaaaaaaaaaa"),
        (f"/api/v1/devices?station={HERE}", "/api/v1/devices?station=331002-9999"),
    ):
        one, other = full.get(theirs, headers, 404), full.get(nowhere, headers, 404)
        assert re.sub(r"[0-9a-f-]{8,}", "…", str(one)) == re.sub(r"[0-9a-f-]{8,}", "…", str(other))


def test_metrics_are_for_this_machine_or_for_who_may_see_all(full: World) -> None:
    from starlette.testclient import TestClient

    far = TestClient(full.app, client=("203.0.113.9", 4000))
    assert far.get("/metrics").status_code == 401
    assert far.get("/metrics", headers=full.token("alerts:read", area="33")).status_code == 403
    answer = far.get("/metrics", headers=full.token("alerts:read"))
    assert answer.status_code == 200
    assert re.search(r'waystation_alerts_open{severity="major"} [1-9]', answer.text)
    assert 'waystation_quarantine_rows{state="waiting"} 1.0' in answer.text
    assert "waystation_gateway_age_seconds" in answer.text
    assert 'route="/metrics"' in far.get("/metrics", headers=full.token("alerts:read")).text
