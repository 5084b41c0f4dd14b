"""What a house does with the umbrella stand once its two files are there; run by test_toy_kind.py."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from devices.decode import decode_telemetry
from devices.registry import kinds
from domain import topics
from domain.ids import DeviceId, edge_box
from rules.rulebook import load_rulebook
from runtime.contract_doc import section
from storage import registry, rulebooks
from tests.device_sim.stand_in import plan, prepare, signed
from tests.device_sim.town import KEY, Town
from tests.gateway.house import ADCODE, RULEBOOK, Box, House, open_house, station_id
from tests.rules.hub import Hub, Message
from tests.waiting import eventually
from transport.loop import MqttLoop

BOOK = RULEBOOK.read_text(encoding="utf-8") + (Path(__file__).with_name("rules.yaml")).read_text(
    encoding="utf-8"
)
STAND = DeviceId("331002-0001", "umbrella_stand", 1)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path / "var", f"sqlite:///{tmp_path / 'hub.db'}") as house:
        with house.database.write() as connection:
            registry.put_devices(connection, [registry.Device(STAND, edge_box(STAND.station))])
            rulebooks.add(connection, BOOK, "test", 0)
        yield house


@pytest.fixture
def loop() -> Iterator[MqttLoop]:
    loop = MqttLoop("boxes")
    loop.start()
    yield loop
    loop.stop(5)


def test_its_rules_are_checked_with_its_own_fields_and_their_cases_come_out() -> None:
    assert load_rulebook(BOOK, version=1).check_cases() == ()


def test_a_simulated_one_breaks_is_reported_judged_told_to_close_and_obeys() -> None:
    town = Town(plan("umbrella_stand"))
    town.join()
    town.run(60, step_s=1)
    town.fleet.inject(STAND.station, "umbrella_stand/1", "soaked")
    town.run(300, step_s=1)
    hub = Hub(STAND, load_rulebook(BOOK, version=1))
    for one in town.hub.kept:
        reading = decode_telemetry(kinds()["umbrella_stand"], json.dumps(one.body).encode())
        at_ms = one.body["ts"]
        hub.wait_until(at_ms)
        hub.take(Message(one.envelope.seq, at_ms, reading.fields, reading.parts), at_ms)
    assert hub.open.keys() == {(2, "umbrella_soaked")}
    assert [ask.command for ask in hub.asked] == ["close"]
    town.tell(STAND, prepare("c1", "close"))
    town.tell(STAND, signed(KEY, STAND, "c1", "close", town.hub.nonce("c1")))
    town.run(1)
    assert town.hub.of("telemetry")[-1]["locked"] is True


def test_it_has_series_of_its_own_state_alerts_commands_and_a_fact_of_its_station(
    house: House, loop: MqttLoop
) -> None:
    house.gateway()
    box = Box(house, loop)
    box.online()
    box.report("umbrella_stand", umbrellas=0, locked=False, bays=[{"n": 2, "tray_ml": 40.0}])
    seq = box.say(
        topics.telemetry(ADCODE, STAND),
        box.envelope(umbrellas=0, bays=[{"n": 2, "tray_ml": 250.0}, {"n": 1, "tray_ml": 1.0}]),
    )
    eventually(lambda: box.promised(seq), 5)
    assert house.rows("SELECT umbrellas, locked FROM series_umbrella_stand ORDER BY seq") == [
        (0, 0),
        (0, None),
    ]
    assert house.rows(
        "SELECT part, tray_ml FROM series_umbrella_stand_bay WHERE seq = :seq ORDER BY part", seq=seq
    ) == [
        (1, 1.0),
        (2, 250.0),
    ]
    (facts,) = house.rows("SELECT facts FROM availability WHERE station = :station", station=station_id(1))
    assert json.loads(facts[0])["devices"]["umbrella_stand/1"]["umbrellas"][0] == 0
    (state,) = house.rows("SELECT state FROM device_state WHERE kind = 'umbrella_stand'")
    assert json.loads(state[0])["parts"]["2"][0]["tray_ml"] == 250.0
    assert json.loads(state[0])["watch"], "its rule is waiting"
    refused = box.report("umbrella_stand", umbrellas="many")
    eventually(lambda: box.promised(refused), 5)
    assert house.rows("SELECT path FROM quarantine") == [("umbrellas",)]


def test_the_contract_tells_makers_of_it() -> None:
    assert "### umbrella_stand: umbrella stand (伞架)" in section()
