"""A rulebook is swapped between two batches: what is pending goes on, what is gone ends, danger stays."""

from __future__ import annotations

import pytest

from storage import alerts, rulebooks
from storage.alert_story import Story, story_of
from tests.gateway.house import ADCODE, Box, House
from tests.waiting import eventually

pytestmark = pytest.mark.integration

HEAD = "rules:\n"
OTHER = """
  - code: lock_jammed
    kind: door_lock
    when: bolt == "jammed"
    severity: major
    texts: {zh: "【严重】{station}：锁舌卡住。", en: "[Major] {station}: the bolt is jammed."}
"""
FORCED = """
  - code: door_forced
    kind: door_lock
    event: forced
    when: forced == true
    severity: emergency
    safety: true
    latch: true
    texts: {zh: "【紧急】{station}：门被撬开。", en: "[Emergency] {station}: the door was forced."}
"""
HOT = """
  - code: battery_overheat
    kind: swap_cabinet
    part: slot
    when: temp_c >= 60
    for: 1s
    severity: major
    actions: [{command: stop_charge}]
    texts: {zh: "【严重】{station}：{slot} 号仓过热。", en: "[Major] {station}: slot {slot} is hot."}
"""

STUCK = """
  - code: occupancy_stuck
    kind: station
    when: occupancy.count_raw < -2
    severity: info
    texts: {zh: "【提示】{station}：人数对不上。", en: "[Notice] {station}: the count does not fit."}
"""


def held_open(for_: str, severity: str = "minor") -> str:
    word = {"minor": ("一般", "Minor"), "info": ("提示", "Notice")}[severity]
    return f"""
  - code: door_held_open
    kind: door_lock
    when: leaf == "open"
    for: {for_}
    severity: {severity}
    texts: {{zh: "【{word[0]}】{{station}}：门开着。", en: "[{word[1]}] {{station}}: the door is open."}}
"""


def put_in_force(house: House, *rules: str, area: str = rulebooks.PROVINCE) -> int:
    """Load a rulebook and wait until the gateway uses it."""
    with house.database.write() as connection:
        version = rulebooks.add(connection, HEAD + "".join(rules), "test", 1, area=area).version
    gateway, _ = house.gateways[-1]
    eventually(lambda: version in gateway._rules._versions, 10, saying=f"rulebook {version} is in force")
    return version


def open_the_door(box: Box) -> None:
    box.online()
    seq = box.report("door_lock", bolt="unlocked", leaf="open", mode="normal", forced=False)
    eventually(lambda: box.promised(seq), 5)


def explained(house: House, code: str) -> Story:
    def ids() -> list[str]:
        return [row[0] for row in house.rows("SELECT id FROM alert WHERE code = :code", code=code)]

    (id_,) = eventually(ids, 10, saying=f"an alert {code}")
    with house.database.read() as connection:
        return story_of(connection, id_)


def test_an_unchanged_rule_keeps_the_time_that_it_has_waited(house: House, box: Box) -> None:
    put_in_force(house, held_open("4s"))
    open_the_door(box)
    put_in_force(house, held_open("4s"), OTHER)
    put_in_force(house, OTHER, held_open("4s"))
    story = explained(house, "door_held_open")
    assert story.alert.learned_ms - story.alert.happened_ms < 5_500
    assert story.pending_ms == story.alert.happened_ms


def test_a_shorter_for_is_judged_from_the_same_begin(house: House, box: Box) -> None:
    put_in_force(house, held_open("5h"))
    open_the_door(box)
    begun_ms = house.rows("SELECT seen_ms FROM device_state WHERE kind='door_lock' AND station='331002-0001'")
    version = put_in_force(house, held_open("1s"))
    story = explained(house, "door_held_open")
    assert abs(story.alert.happened_ms - begun_ms[0][0]) < 1_000
    assert story.alert.rulebook_version == version


def test_a_rule_that_is_gone_ends_its_alert_and_a_longer_for_waits_on(house: House, box: Box) -> None:
    put_in_force(house, held_open("1s"), OTHER)
    open_the_door(box)
    explained(house, "door_held_open")
    put_in_force(house, OTHER)
    rows = eventually(
        lambda: house.rows("SELECT resolved_reason FROM alert WHERE resolved_ms IS NOT NULL"), 5
    )
    assert rows == [("rule_removed",)]
    put_in_force(house, held_open("5h"))
    assert house.rows("SELECT count(*) FROM alert WHERE resolved_ms IS NULL") == [(0,)]


def test_a_latched_safety_alert_outlives_its_rule_until_a_person_ends_it(house: House, box: Box) -> None:
    put_in_force(house, FORCED, OTHER)
    box.online()
    box.event("door_lock", "forced")
    id_ = explained(house, "door_forced").alert.id
    put_in_force(house, OTHER)
    seq = box.report("door_lock", bolt="jammed", leaf="closed", mode="normal", forced=False)
    eventually(lambda: box.promised(seq), 5)
    explained(house, "lock_jammed")
    with house.database.write() as connection:
        assert alerts.get(connection, id_).state == "firing"
        alerts.reset(connection, id_, "crew", "on site", 1)
    gateway, _ = house.gateways[-1]
    eventually(lambda: all(key.code != "door_forced" for key in gateway._fleet.open_alerts), 10)
    put_in_force(house, FORCED, OTHER)
    assert house.rows("SELECT count(*) FROM alert WHERE code='door_forced'") == [(1,)]


def test_a_county_has_its_own_rule_and_the_alert_names_its_version(house: House, box: Box) -> None:
    province = put_in_force(house, held_open("5h"), OTHER)
    own = put_in_force(house, held_open("1s", "info"), area=ADCODE)
    open_the_door(box)
    story = explained(house, "door_held_open")
    assert (story.alert.rulebook_version, story.alert.severity, story.area) == (own, "info", ADCODE)
    box.report("door_lock", bolt="jammed")
    assert explained(house, "lock_jammed").alert.rulebook_version == province
    with house.database.write() as connection:
        rulebooks.drop_area(connection, ADCODE)
    # The province's `for` is longer than the door has been open: a longer wait ends nothing that is open.
    gateway, _ = house.gateways[-1]
    eventually(lambda: own not in gateway._rules._versions, 10)
    assert house.rows("SELECT state FROM alert WHERE code='door_held_open'") == [("firing",)]


def test_a_broken_book_of_a_county_leaves_the_provinces_in_force(house: House, box: Box) -> None:
    province = put_in_force(house, held_open("1s"))
    put_in_force(house, "  - code: nonsense\n", area=ADCODE)
    open_the_door(box)
    assert explained(house, "door_held_open").alert.rulebook_version == province


def test_an_alert_remembers_what_it_saw_and_what_followed(house: House, box: Box) -> None:
    put_in_force(house, HOT)
    box.online()
    seq = box.report("swap_cabinet", slots=[{"n": 3, "temp_c": 66.5, "charger_on": True}])
    story = explained(house, "battery_overheat")
    (seen,) = [one for one in story.seen if one.name == "temp_c"]
    assert (seen.value, seen.unit, seen.seq, seen.boot) == (66.5, "°C", seq, box.boot)
    assert seen.as_of_ms == story.alert.happened_ms
    assert [turn.state for turn in story.turns] == ["pending", "firing"]
    assert story.rule_text is not None
    assert "when: temp_c >= 60" in story.rule_text
    followed = [(one.action, one.args) for one in explained(house, "battery_overheat").commands]
    assert followed == [("stop_charge", {"slot": 3})]


def test_a_rule_over_the_station_remembers_which_device_said_what(house: House, box: Box) -> None:
    put_in_force(house, STUCK)
    box.online()
    seq = box.report("occupancy_sensor", count_raw=-3, presence=False)
    eventually(lambda: box.promised(seq), 5)
    (seen,) = [one for one in explained(house, "occupancy_stuck").seen if one.name == "occupancy.count_raw"]
    assert (seen.value, seen.device) == (-3, "occupancy_sensor/1")
    assert seen.as_of_ms is not None
