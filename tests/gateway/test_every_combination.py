"""One road over each database, store of readings and broker: kept, shown, told, opened, whoever is killed."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from domain.ids import DeviceId
from runtime.clock import WallClock
from storage.influx import Influx, InfluxAt
from storage.influx_series import InfluxSeries
from storage.sending_tables import sender
from storage.series import Series, SqlSeries
from tests.combinations import EVERY, Combination
from tests.gateway.door import DoorBox, a_person
from tests.gateway.gateway_process import GatewayProcess
from tests.gateway.house import House, open_house
from tests.gateway.keeping_box import talking
from tests.waiting import eventually
from transport.loop import MqttLoop

pytestmark = pytest.mark.integration

OCCUPANCY = "occupancy_sensor"
PEOPLE = 4


@contextlib.contextmanager
def furnished(
    of: Combination, request: pytest.FixtureRequest, var: Path
) -> Iterator[tuple[House, Series, list[GatewayProcess]]]:
    """A house of these parts, where its history is read, and the processes that it needs."""
    url = str(request.getfixturevalue(f"migrated_{of.database}_url"))
    with contextlib.ExitStack() as opened:
        house = opened.enter_context(open_house(var, url, broker_kind=of.broker))
        series: Series = SqlSeries()
        processes = [GatewayProcess(house)]
        if of.series == "influx":
            at: InfluxAt = request.getfixturevalue("influx_at")
            house.settings = {
                "WAYSTATION_SERIES": "influx",
                "WAYSTATION_INFLUX_URL": at.url,
                "WAYSTATION_INFLUX_ORG": at.org,
                "WAYSTATION_INFLUX_BUCKET": at.bucket,
                "WAYSTATION_INFLUX_TOKEN": at.token,
            }
            series = InfluxSeries(opened.enter_context(contextlib.closing(Influx(at, read_s=30))))
            processes.append(GatewayProcess(house, "courier", command="courier"))
        for process in processes:
            opened.callback(process.kill)
        yield house, series, processes


@pytest.mark.parametrize("of", EVERY, ids=lambda one: one.id)
def test_what_is_said_while_processes_are_killed_is_kept_once_shown_told_and_the_door_opens(
    of: Combination, request: pytest.FixtureRequest, tmp_path: Path, loop: MqttLoop
) -> None:
    begun_ms = WallClock().now_ms()
    with furnished(of, request, tmp_path / "var") as (house, series, processes):
        gateway, box = processes[0], DoorBox(house, loop)
        for process in processes:
            process.start()
        gateway.wait_until_it_hears()
        with talking(box), a_person(house) as person:
            for count in range(30):
                box.say(OCCUPANCY, "telemetry", {"count_raw": count, "presence": True})
            box.say("swap_cabinet", "telemetry", {"slots": [{"n": 1, "state": "charging", "temp_c": 30.5}]})
            eventually(lambda: box.promised, 20, saying="something is promised")
            for process in processes:
                process.kill()
            for count in range(30):
                box.say(OCCUPANCY, "telemetry", {"count_raw": count, "presence": True})
            box.say("door_lock", "event", {"type": "forced"}, safety=True)
            with house.database.write() as connection:
                # A dead courier's claim ends by itself, after a minute.
                connection.execute(sa.update(sender).values(until_ms=0))
            for process in processes:
                process.start()
            gateway.wait_until_it_hears()
            box.say(OCCUPANCY, "telemetry", {"count_raw": PEOPLE, "presence": True})
            eventually(lambda: box.held == 0, 40, saying="everything is promised")
            id_ = person.tap(box)
            eventually(lambda: person.sees(id_) == ("opened", None), 15, saying="the door opens")
            eventually(lambda: box.held == 0, 20, saying="the door has told everything")

        everything = Counter((box.boot, seq) for seq in range(box.said))
        assert box.promised == set(range(box.said))
        eventually(lambda: kept(house, series, box, begun_ms) >= everything, 40, saying="all is in history")
        assert kept(house, series, box, begun_ms) == everything, "each once"
        assert box.moved == [id_]
        assert house.rows("SELECT code, state FROM alert") == [("door_forced", "firing")]
        assert house.rows("SELECT what FROM notice") == [("opened",)]
        [(facts,)] = house.rows("SELECT facts FROM availability WHERE station = :of", of=box.station)
        assert json.loads(facts)["devices"][f"{OCCUPANCY}/1"]["people"][0] == PEOPLE


def kept(house: House, series: Series, box: DoorBox, from_ms: int) -> Counter[tuple[str, int]]:
    """How often each message of a box stands in history, among events or in quarantine."""
    found: Counter[tuple[str, int]] = Counter()
    with house.database.read() as connection:
        for kind in ("door_lock", OCCUPANCY, "swap_cabinet"):
            device = DeviceId(box.station, kind, 1)
            readings = series.readings(connection, device, from_ms - 60_000, WallClock().now_ms() + 60_000)
            found.update((one.boot, one.seq) for one in readings)
    for table in ("event", "quarantine"):
        found.update((boot, seq) for boot, seq in house.rows(f"SELECT boot, seq FROM {table}"))
    return found
