"""One message's whole road: over a real broker into the database, and only then a promise."""

from __future__ import annotations

import json

import pytest

from domain import topics
from tests.gateway.brokers import EVERY_BROKER
from tests.gateway.house import ADCODE, Box, House
from tests.waiting import eventually

pytestmark = [
    pytest.mark.integration,
    pytest.mark.parametrize("broker_kind", EVERY_BROKER, indirect=True),
]


def test_a_report_becomes_state_history_and_a_promise(house: House, box: Box) -> None:
    box.online()
    seq = box.report("occupancy_sensor", count_raw=3, presence=True)
    # The two come over lanes of their own, in either order.
    eventually(lambda: box.promised(seq) and any(ack["conn"] == 1 for ack in box.acks), 5)
    assert house.rows("SELECT count_raw, seq FROM series_occupancy_sensor") == [(3, seq)]
    state = json.loads(house.rows("SELECT state FROM device_state WHERE kind='occupancy_sensor'")[0][0])
    assert state["parts"]["0"][0]["count_raw"] == 3
    facts = json.loads(house.rows("SELECT facts FROM availability WHERE station='331002-0001'")[0][0])
    assert facts["devices"]["occupancy_sensor/1"]["people"][0] == 3
    assert facts["link"]["station/0"][0] == "online"


def test_a_link_is_acknowledged_by_its_conn(house: House, box: Box) -> None:
    box.online()
    eventually(lambda: any(ack["conn"] == 1 for ack in box.acks), 5)
    assert house.rows("SELECT link, conn FROM speaker WHERE station='331002-0001'") == [("online", 1)]


def test_a_duplicate_is_promised_again_and_kept_once(house: House, box: Box) -> None:
    body = box.envelope(count_raw=1)
    topic = topics.telemetry(ADCODE, box.device("occupancy_sensor"))
    for _ in range(3):
        box.say(topic, body)
    box.report("occupancy_sensor", count_raw=2)
    eventually(lambda: box.promised(1), 5)
    assert house.rows("SELECT count(*) FROM series_occupancy_sensor") == [(2,)]
    assert sum(1 for ack in box.acks if ack["upto"] >= 0) >= 1


def test_what_cannot_be_understood_is_kept_with_its_reason_and_does_not_stop_the_rest(
    house: House, box: Box
) -> None:
    topic = topics.telemetry(ADCODE, box.device("occupancy_sensor"))
    box.report("occupancy_sensor", count_raw=1)
    box.send(topic, b"{not json")
    box.send(topic, b"{not json")
    refused = box.report("occupancy_sensor", count_raw="three")
    seq = box.report("occupancy_sensor", count_raw=2)
    eventually(lambda: box.promised(seq) and box.promised(refused), 5)
    kept = house.rows("SELECT reason, path, count FROM quarantine ORDER BY id")
    assert kept == [("not_json", "", 2), ("bad_payload", "count_raw", 1)]
    assert box.acks[-1]["upto"] == seq


def test_a_forced_door_raises_its_alert_and_a_notice(house: House, box: Box) -> None:
    box.event("door_lock", "forced")
    rows = eventually(lambda: house.rows("SELECT code, severity, state FROM alert"), 5)
    assert rows == [("door_forced", "emergency", "firing")]
    assert house.rows("SELECT what, channel, state FROM notice") == [("opened", "webhook", "waiting")]


def test_a_runaway_keeps_people_out_and_asks_the_door_for_release(house: House, box: Box) -> None:
    box.online()
    box.report("door_lock", bolt="locked", leaf="closed", mode="normal")
    box.report(
        "swap_cabinet", smoke=False, slots=[{"n": 3, "state": "charging", "temp_c": 82.0, "charger_on": True}]
    )
    eventually(lambda: house.rows("SELECT code FROM alert WHERE code='battery_runaway' AND part=3"), 5)
    prepare = eventually(
        lambda: [c for d, c in box.commands if d.kind == "door_lock" and c.get("action") == "release"], 5
    )
    assert prepare
    facts = json.loads(house.rows("SELECT facts FROM availability WHERE station='331002-0001'")[0][0])
    assert facts["lockdown"]["code"] == "battery_runaway"
