"""Rulebooks through the API: checked, compared, put in force, taken back, and alerts explained."""

from __future__ import annotations

from typing import Any

import pytest

from domain.facts import Mark
from domain.ids import DeviceId
from runtime.settings import TREE
from storage import alerts, audit, commands, rulebooks
from storage.alerts import NewAlert
from storage.commands import NewCommand
from tests.api.conftest import HERE, World

SHIPPED = (TREE / "rules" / "rulebook.yaml").read_text(encoding="utf-8")
ALERT = "000000000009aaaaaaaaaaaa"
COUNTY = """
rules:
  - code: our_own
    kind: door_lock
    when: leaf == "open"
    for: 30m
    inhibited_by: [station_offline]
    severity: info
    texts: {zh: "【提示】{station}：门开着。", en: "[Notice] {station}: the door is open."}
"""


@pytest.fixture
def hub(world: World) -> World:
    """A hub with the shipped rulebook in force."""
    with world.db.write() as conn:
        rulebooks.seed(conn, SHIPPED, 1)
    return world


def test_every_mistake_of_a_rulebook_comes_with_its_line_and_field(hub: World) -> None:
    broken = COUNTY.replace("leaf ==", "leef ==").replace("severity: info", "severity: bad")
    answer = hub.post("/api/v1/rules/check", hub.token("rules:read"), 422, {"text": broken})
    assert answer["code"] == "bad_rulebook"
    told = [one["detail"] for one in answer["errors"]]
    assert any("text:5: rules.1.when: unknown field 'leef'" in one for one in told)
    assert any("text:8: rules.1.severity" in one for one in told)
    with hub.db.read() as conn:
        assert len(rulebooks.list_all(conn)) == 1


def test_the_shipped_rulebook_fits_through_the_door(hub: World) -> None:
    answer = hub.post("/api/v1/rules/check", hub.token("rules:read"), 200, {"text": SHIPPED})
    assert answer["rules"] > 40
    assert answer["cases"] > answer["rules"]


def test_a_difference_tells_fields_and_counts_only_what_the_token_may_see(hub: World) -> None:
    changed = SHIPPED.replace("敞开 {sec} 秒未关，请提醒", "开了 {sec} 秒，请提醒")
    assert changed != SHIPPED
    whole = hub.post("/api/v1/rules/diff", hub.token("rules:read"), 200, {"text": changed})
    (change,) = whole["changes"]
    assert (change["code"], change["what"], list(change["fields"])) == ("door_held_open", "changed", ["zh"])
    assert change["fields"]["zh"]["becomes"].startswith("【一般】{station} · 门：开了")
    assert whole["reach"] == [{"county": "331002", "kind": "door_lock", "stations": 1, "devices": 1}]
    elsewhere = hub.token("rules:read", area="3301")
    assert hub.post("/api/v1/rules/diff", elsewhere, 200, {"text": changed})["reach"] == []


def test_a_county_changes_its_own_rules_and_not_the_provinces(hub: World) -> None:
    county = hub.token("rules:read", "rules:write", area="331002")
    refused = hub.post("/api/v1/rules", county, 403, {"text": SHIPPED})
    assert refused["code"] == "area"
    made = hub.post("/api/v1/rules", county, 201, {"text": COUNTY, "area": "331002"})
    assert (made["area"], made["active"]) == ("331002", True)
    assert [row["area"] for row in hub.get("/api/v1/rules", county)["items"]] == ["331002", ""]
    assert hub.get(f"/api/v1/rules/{made['version']}", county)["text"] == COUNTY
    others = hub.token("rules:read", area="330102")
    assert [row["area"] for row in hub.get("/api/v1/rules", others)["items"]] == [""]
    with hub.db.read() as conn:
        notes = audit.newest(conn, action="rules.load")
    assert [(note.result, note.target) for note in notes] == [
        ("ok", f"rulebook:{made['version']}"),
        ("refused", "area:province"),
    ]


def test_no_area_replaces_a_safety_rule(hub: World) -> None:
    mine = COUNTY.replace("our_own", "battery_runaway")
    answer = hub.post("/api/v1/rules", hub.token("rules:write"), 422, {"text": mine, "area": "331002"})
    assert "is a safety rule of the larger area" in answer["detail"]


def test_going_back_is_a_new_version_and_what_is_in_force_cannot_come_back(hub: World) -> None:
    token = hub.token("rules:read", "rules:write")
    changed = SHIPPED + "\n# changed\n"
    hub.post("/api/v1/rules", token, 201, {"text": changed})
    back = hub.post("/api/v1/rules/1/rollback", token, 201)
    assert back["version"] == 3
    assert hub.get("/api/v1/rules/3", token)["text"] == SHIPPED
    assert hub.post("/api/v1/rules/3/rollback", token, 409)["code"] == "conflict"
    hub.post("/api/v1/rules/99/rollback", token, 404)


def test_an_area_gives_up_its_own_rulebook_and_the_province_cannot(hub: World) -> None:
    token = hub.token("rules:write", "rules:read")
    hub.post("/api/v1/rules", token, 201, {"text": COUNTY, "area": "331002"})
    dropped = hub.post("/api/v1/rules/drop", token, 200, {"area": "331002"})
    assert dropped["active"] is False
    hub.post("/api/v1/rules/drop", token, 404, {"area": "331002"})
    hub.post("/api/v1/rules/drop", token, 422, {"area": ""})


def test_an_alert_is_explained_with_ages_and_what_followed(hub: World) -> None:
    cabinet, at_ms = DeviceId(HERE, "swap_cabinet", 1), hub.clock.now_ms()
    basis: dict[str, Any] = {
        "cause": "when",
        "pending_ms": at_ms - 10_000,
        "held_by": ["station_offline"],
        "marks": {"temp_c": list(Mark(5, 42, at_ms - 2_500))},
    }
    new = NewAlert(
        ALERT, cabinet, 3, HERE[:6], "battery_overheat", "major", False, 1, False,
        at_ms - 10_000, at_ms, False, {"temp_c": 61.5}, "【严重】过热", "[Major] hot", basis,
    )  # fmt: skip
    command = NewCommand(
        "c-explain", cabinet, HERE[:6], "stop_charge", {"slot": 3}, f"alert:{ALERT}", True, at_ms, "rules"
    )
    with hub.db.write() as conn:
        alerts.open_many(conn, [new])
        alerts.open_many(conn, [new._replace(id=ALERT + "x", learned_ms=at_ms + 5_000)])
        commands.create_many(conn, [command])

    told = hub.get(f"/api/v1/alerts/{ALERT}/explain", hub.token("alerts:read"))

    assert told["rule"]["version"] == 1
    assert "when: temp_c >= 60" in told["rule"]["text"]
    (value,) = told["values"]
    assert (value["value"], value["unit"], value["age_s"], value["seq"]) == (61.5, "°C", 2.5, 42)
    assert [turn["state"] for turn in told["turns"]] == ["pending", "held", "firing", "again"]
    assert told["turns"][0]["zh"] == "开始满足条件: 条件成立"
    assert told["held_by"] == ["station_offline"]
    assert told["commands"][0]["action"] == "stop_charge"
    assert told["commands"][0]["steps"][0]["state"] == "created"


def test_an_alert_from_before_reasons_were_kept_is_explained_as_far_as_it_goes(hub: World) -> None:
    hub.alert(ALERT)
    told = hub.get(f"/api/v1/alerts/{ALERT}/explain", hub.token("alerts:read"))
    assert told["noted"] is False
    assert told["rule"]["text"] is None
    assert told["values"][0]["age_s"] is None
