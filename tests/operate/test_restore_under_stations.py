"""An older backup is restored while stations hold newer data: that is back, and nothing is doubled."""

from __future__ import annotations

from pathlib import Path

import pytest

from courier.series_sender import SenderOptions, SeriesSender
from device_sim.edge_box import BoxSettings
from storage import backup, restore
from storage.backup_file import BackupRefused
from storage.database import open_database
from storage.influx import Influx, InfluxAt
from storage.series_outbox import Outbox
from tests.courier.outbox_rows import arrived, unsent
from tests.gateway.house import House
from tests.gateway.keeping_box import KeepingBox, talking
from tests.operate import counting
from tests.waiting import eventually
from transport.loop import MqttLoop

pytestmark = pytest.mark.integration

DAY_S = 86_400.0
EACH = 300
AT_ONCE = 50
KEPT = 120
"""How much the small box has room for."""


def chat(boxes: list[KeepingBox], first: int) -> None:
    """Each says many readings and some events, a few at a time, until all of it is promised."""
    for n in range(first, first + EACH):
        for box in boxes:
            if n % 10:
                box.say("occupancy_sensor", "telemetry", {"count_raw": n % 7, "presence": n % 7 > 0})
            else:
                box.say("door_lock", "event", {"type": "inside_button"})
        if n % AT_ONCE == AT_ONCE - 1:
            eventually(lambda: all(box.held == 0 for box in boxes), 20, saying="everything is promised")


def test_stations_bring_back_what_they_still_hold(house: House, loop: MqttLoop, tmp_path: Path) -> None:
    roomy = KeepingBox(house, loop, 1, BoxSettings(in_flight=50, keep_acked_s=DAY_S))
    small = KeepingBox(house, loop, 2, BoxSettings(in_flight=50, keep_acked_s=DAY_S, capacity=KEPT))
    boxes, file = [roomy, small], tmp_path / "one.backup"
    house.gateway()
    with talking(*boxes):
        eventually(lambda: all(box.box.connected for box in boxes), 10)
        chat(boxes, 0)
        backup.make(house.url, file, house.clock.now_ms())
        chat(boxes, EACH)
        promised = {(box.station, box.boot, seq) for box in boxes for seq in box.promised}
        assert len(promised) == 4 * EACH
        assert counting.missing(house.database, promised) == []
        with pytest.raises(BackupRefused, match="A gateway works with this database"):
            restore.restore(house.url, file, house.clock.now_ms())
        house.stop_gateways()
        sent = roomy.sendings + small.sendings
        restore.restore(house.url, file, house.clock.now_ms() + restore.RUNNING_MS)
        lost_for_now = len(counting.missing(house.database, promised))
        assert lost_for_now == 2 * EACH
        house.gateway()
        for box in boxes:
            box.say("door_lock", "event", {"type": "inside_button"})
        eventually(
            lambda: all(box.box.store == _store(house) for box in boxes), 10, saying="they know the name"
        )
        eventually(lambda: all(box.held == 0 for box in boxes), 30, saying="all is promised again")
        gone = counting.missing(house.database, promised)
        rows = counting.messages(house.database)
        print(
            f"{house.database.dialect}: {len(promised)} acknowledged, {lost_for_now} gone with the restore, "
            f"{lost_for_now - len(gone)} came again, {roomy.sendings + small.sendings - sent} sendings, "
            f"{len(gone)} were held by nobody, {len(counting.doubled(house.database))} doubled"
        )
        assert {station for station, _, _ in gone} == {small.station}, "a box with room loses nothing"
        assert len(gone) == EACH + 1 - KEPT, "a small one loses what it had no room for, and no more"
        assert counting.doubled(house.database) == []
        assert sum(rows.values()) == len(promised) - len(gone) + 2
        chat(boxes, 2 * EACH)
        assert counting.doubled(house.database) == []


def _store(house: House) -> str:
    return str(house.rows("SELECT value FROM meta WHERE key = 'store'")[0][0])


def test_a_station_that_was_away_brings_it_when_it_comes_back(
    house: House, loop: MqttLoop, tmp_path: Path
) -> None:
    box, file = (
        KeepingBox(house, loop, 1, BoxSettings(in_flight=50, keep_acked_s=DAY_S)),
        tmp_path / "one.backup",
    )
    house.gateway()
    with talking(box):
        eventually(lambda: box.box.connected, 10)
        chat([box], 0)
        backup.make(house.url, file, house.clock.now_ms())
        chat([box], EACH)
    house.stop_gateways()
    restore.restore(house.url, file, house.clock.now_ms() + restore.RUNNING_MS)
    restored = open_database(house.url)
    assert sum(counting.messages(restored).values()) == EACH
    restored.close()
    house.gateway()
    with talking(box):
        eventually(lambda: sum(counting.messages(house.database).values()) == 2 * EACH, 20)
        eventually(lambda: box.held == 0, 10)
    assert counting.doubled(house.database) == []


def test_readings_that_influxdb_had_already_are_one_point_each_after_a_restore(
    house: House, loop: MqttLoop, tmp_path: Path, influx_at: InfluxAt
) -> None:
    box, file = (
        KeepingBox(house, loop, 1, BoxSettings(in_flight=50, keep_acked_s=DAY_S)),
        tmp_path / "one.backup",
    )
    influx = Influx(influx_at, read_s=30)
    sender = SeriesSender(house.database, influx, house.clock, SenderOptions())
    readings = EACH - EACH // 10
    house.gateway(Outbox())
    with talking(box):
        eventually(lambda: box.box.connected, 10)
        chat([box], 0)
        assert sender.round() == readings
        backup.make(house.url, file, house.clock.now_ms())
        chat([box], EACH)
        assert sender.round() == readings
        assert len(arrived(influx)) == 2 * readings
        house.stop_gateways()
        restore.restore(house.url, file, house.clock.now_ms() + restore.RUNNING_MS)
        house.gateway(Outbox())
        chat([box], 2 * EACH)
        eventually(lambda: box.box.store == _store(house) and box.held == 0, 30, saying="all is promised")
        eventually(lambda: unsent(house.database) >= 2 * readings, 20, saying="all came again")
        again = unsent(house.database)
        assert sender.round() == again
    found = arrived(influx)
    influx.close()
    print(f"{house.database.dialect}: {len(found)} points, {again} sent since the restore, 0 doubled")
    assert found == dict.fromkeys(found, 1), "the same reading is the same point"
    assert len(found) == 3 * readings
