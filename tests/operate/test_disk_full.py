"""No room on the disk: nothing is promised that is not kept, it is said clearly, and it goes on by itself."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.service import Gateway
from runtime.broker import Broker
from runtime.broker_disk import BrokerDisk
from storage import backup
from storage.backup_file import BackupRefused
from tests.gateway.brokers import MOSQUITTO
from tests.gateway.chatter import chat, everything
from tests.gateway.house import House, open_house
from tests.gateway.keeping_box import KeepingBox, talking
from tests.mosquitto import Mosquitto
from tests.operate import counting
from tests.operate.own_postgresql import own_server
from tests.operate.small_disk import SmallDisk, small_disk
from tests.waiting import eventually
from transport.loop import MqttLoop

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


@contextmanager
def house_on(disk: SmallDisk, tmp_path: Path, where: str) -> Iterator[House]:
    """Its database on the small disk, everything else on the usual one."""
    if where == "sqlite":
        with open_house(tmp_path / "var", f"sqlite:///{disk.path / 'hub.sqlite3'}") as house:
            yield house
    else:
        with own_server(disk.path) as server, open_house(tmp_path / "var", server.url) as house:
            yield house


@pytest.mark.parametrize(("where", "megabytes"), [("sqlite", 12), ("postgresql", 400)])
def test_a_full_disk_under_the_database_costs_nothing_but_time(
    tmp_path: Path, loop: MqttLoop, where: str, megabytes: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with small_disk(megabytes) as disk, house_on(disk, tmp_path, where) as house:
        gateway = house.gateway()
        boxes = [KeepingBox(house, loop, number) for number in (1, 2)]
        with talking(*boxes):
            chat(*boxes)
            eventually(lambda: all(box.held == 0 for box in boxes), 10)
            disk.fill()
            eventually(lambda: _talks_until_it_is_full(gateway, boxes), 60, every_s=0.05)
            promised = [set(box.promised) for box in boxes]
            chat(*boxes)
            eventually(lambda: any("disk is full" in said for said in gateway.health.problems()), 10)
            assert any("disk is full" in record.getMessage() for record in caplog.records), "the log says it"
            assert [box.promised for box in boxes] == promised
            assert counting.missing(house.database, _promised(boxes)) == [], "and reading goes on"
            full_with = sum(box.held for box in boxes)
            disk.empty()
            eventually(lambda: all(box.held == 0 for box in boxes), 30, saying="all of it is kept")
            eventually(lambda: gateway.health.problems() == [], 5)
        assert all(box.box.dropped == 0 for box in boxes)
        said = everything(*boxes)
        print(
            f"{where}: {len(said)} messages, {full_with} held by stations while the disk was full; "
            f"{len(counting.missing(house.database, said))} lost, "
            f"{len(counting.doubled(house.database))} doubled"
        )
        assert counting.missing(house.database, said) == []
        assert counting.doubled(house.database) == []
        house.stop_gateways()


def test_postgresql_that_ends_because_its_log_finds_no_room_is_waited_for(
    tmp_path: Path, loop: MqttLoop
) -> None:
    """Without room for its write-ahead log PostgreSQL gives up by itself, and somebody starts it again."""
    with (
        small_disk(400) as disk,
        own_server(disk.path) as server,
        open_house(tmp_path / "var", server.url) as house,
    ):
        gateway = house.gateway()
        boxes = [KeepingBox(house, loop, number) for number in (1, 2)]
        with talking(*boxes):
            chat(*boxes)
            eventually(lambda: all(box.held == 0 for box in boxes), 10)
            disk.fill()
            server.use_up_log()
            chat(*boxes)
            eventually(lambda: gateway.health.problems() != [], 20)
            promised = [set(box.promised) for box in boxes]
            chat(*boxes)
            disk.empty()
            server.start_if_ended()
            eventually(lambda: all(box.held == 0 for box in boxes), 30, saying="all of it is kept")
            assert all(before < box.promised for before, box in zip(promised, boxes, strict=True))
        said = everything(*boxes)
        assert counting.missing(house.database, said) == []
        assert counting.doubled(house.database) == []
        print(f"postgresql without room for its log: {len(said)} messages, 0 lost, 0 doubled")


def _talks_until_it_is_full(gateway: Gateway, boxes: list[KeepingBox]) -> bool:
    chat(*boxes, rounds=5)
    return bool(gateway.health.problems())


def _promised(boxes: list[KeepingBox]) -> set[counting.Heard]:
    return {(box.station, box.boot, seq) for box in boxes for seq in box.promised}


def test_a_backup_onto_a_full_disk_is_refused_and_leaves_nothing(
    tmp_path: Path, migrated_sqlite_url: str
) -> None:
    with small_disk(1) as disk:
        disk.fill()
        with pytest.raises(BackupRefused, match="cannot be written"):
            backup.make(migrated_sqlite_url, disk.path / "one.backup", 1)
        assert [file.name for file in disk.path.iterdir()] == ["ballast"]


def test_a_full_disk_under_the_broker_costs_nothing_but_time(
    tmp_path: Path, loop: MqttLoop, migrated_sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What JetStream cannot write it does not confirm, and it must be started again when there is room."""
    with small_disk(60) as disk, open_house(disk.path / "var", migrated_sqlite_url) as house:
        gateway = house.gateway()
        assert isinstance(house.broker, Broker)
        keeper = BrokerDisk(house.broker, house.clock)
        boxes = [KeepingBox(house, loop, number) for number in (1, 2)]
        pid = house.broker.pid
        with talking(*boxes), looked_after(keeper):
            chat(*boxes)
            eventually(lambda: all(box.held == 0 for box in boxes), 10)
            disk.fill()
            eventually(lambda: _nothing_comes_through(boxes), 20, every_s=0.2)
            chat(*boxes)
            eventually(lambda: any("disk of the broker is full" in r.getMessage() for r in caplog.records), 5)
            full_with = sum(box.held for box in boxes)
            assert house.broker.pid == pid, "without room nothing is started"
            disk.empty()
            emptied_s = house.clock.monotonic_s()
            eventually(lambda: all(box.held == 0 for box in boxes), 60, saying="all of it is kept")
            took_s = house.clock.monotonic_s() - emptied_s
            eventually(lambda: gateway.health.problems() == [], 10)
        said = everything(*boxes)
        print(
            f"broker: {len(said)} messages, {full_with} held by stations while the disk was full, all kept "
            f"{took_s:.1f} s after there was room; {len(counting.missing(house.database, said))} lost, "
            f"{len(counting.doubled(house.database))} doubled"
        )
        assert all(box.box.dropped == 0 for box in boxes)
        assert counting.missing(house.database, said) == []
        assert counting.doubled(house.database) == []


def test_a_full_disk_under_mosquitto_costs_nothing_also_when_it_is_killed_there(
    tmp_path: Path, loop: MqttLoop, migrated_sqlite_url: str
) -> None:
    """It goes on from memory, and what its store has lost stations send again."""
    with (
        small_disk(8) as disk,
        open_house(disk.path / "var", migrated_sqlite_url, broker_kind=MOSQUITTO) as house,
    ):
        house.gateway()
        broker = house.broker
        assert isinstance(broker, Mosquitto)
        boxes = [KeepingBox(house, loop, number) for number in (1, 2)]
        with talking(*boxes):
            chat(*boxes)
            eventually(lambda: all(box.held == 0 for box in boxes), 10)
            disk.fill()
            chat(*boxes)
            store = broker.folder / "data/mosquitto.db"
            eventually(lambda: store.exists() and store.stat().st_size == 0, 15, saying="it is not written")
            eventually(lambda: all(box.held == 0 for box in boxes), 10, saying="all is promised still")
            broker.kill()
            chat(*boxes)
            broker.start()
            eventually(lambda: all(box.held == 0 for box in boxes), 30, saying="all of it is kept")
            disk.empty()
            chat(*boxes)
            eventually(lambda: store.stat().st_size > 0, 15, saying="it is written again")
            eventually(lambda: all(box.held == 0 for box in boxes), 10)
        said = everything(*boxes)
        print(f"mosquitto: {len(said)} messages, 1 kill while the disk was full, 0 lost, 0 doubled")
        assert all(box.box.dropped == 0 for box in boxes)
        assert counting.missing(house.database, said) == []
        assert counting.doubled(house.database) == []


def _nothing_comes_through(boxes: list[KeepingBox]) -> bool:
    before = [len(box.promised) for box in boxes]
    chat(*boxes, rounds=2)
    time.sleep(0.5)
    return [len(box.promised) for box in boxes] == before


@contextmanager
def looked_after(keeper: BrokerDisk) -> Iterator[None]:
    """As the broker's own process does it."""
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.2):
            keeper.look()

    thread = threading.Thread(target=look, name="keeper")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(30)
