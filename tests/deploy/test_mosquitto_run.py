"""The script that runs Mosquitto: what it refuses, what it tells the broker, and how both end."""

from __future__ import annotations

import os
import re
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime.broker_address import LOOPBACK
from runtime.mosquitto_files import SHIPPED
from runtime.secrets import load_or_create_secrets
from runtime.settings import TREE
from tests import containers
from tests.mosquitto import PROGRAM, Mosquitto, login
from tests.runtime.listener import ADCODE, ALICE, BOB, Listener
from tests.waiting import eventually

pytestmark = pytest.mark.integration

ALICES = f"ws/{ADCODE}/{ALICE}/quick/station/0/link"


class Place:
    """A folder as it is on Mosquitto's own machine: only what is copied there can be known there."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._hub = Mosquitto(folder / "hub", load_or_create_secrets(folder, time.time_ns() // 1_000_000), [])
        self.folder = folder / "there"
        self.log = folder / "said"
        self.process: subprocess.Popen[bytes] | None = None
        self.let_in()

    def let_in(self, *stations: str) -> None:
        """These stations and no others, from the next look of the script on."""
        self._hub.let_in([login(name, ADCODE, f"password of {name}") for name in stations])
        kept = shutil.ignore_patterns("mosquitto.conf") if self.folder.exists() else None
        shutil.copytree(self._hub.folder, self.folder, dirs_exist_ok=True, ignore=kept)

    def run(self, *command: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as said:
            self.process = subprocess.Popen(
                command or [self.folder / "run.sh"], stdout=said, stderr=said, start_new_session=True
            )
        return self.process

    def in_container(self, line: str) -> str:
        """The line of the document, for this folder and these ports, on every address inside."""
        configuration = self.folder / "mosquitto.conf"
        configuration.write_text(configuration.read_text("utf-8").replace(f" {LOOPBACK}\n", "\n"), "utf-8")
        line = line.replace("$PWD/var/mosquitto", str(self.folder))
        return line.replace("8883", str(self._hub.station_port)).replace("8683", str(self._hub.hub_port))

    def start(self) -> None:
        """Run the script and wait until stations are answered."""
        self.run()
        self.station(ALICE).close()

    def station(self, name: str, *, persistent: bool = False) -> Listener:
        def connected() -> list[Listener]:
            assert self.process is not None
            assert self.process.poll() is None, self.said
            try:
                return [
                    Listener(
                        self._hub.station_port,
                        f"password of {name}",
                        name,
                        persistent=persistent,
                        username=name,
                        tls=self._hub.tls,
                    )
                ]
            except (ConnectionError, ssl.SSLError):
                return []  # a container's port answers before the program in it

        (listener,) = eventually(connected, 15, every_s=0.1, saying="Mosquitto answers")
        return listener

    def welcomes(self, name: str) -> bool:
        asking = self.station(name)
        asking.close()
        return asking.welcome

    @property
    def said(self) -> str:
        return self.log.read_text("utf-8", "replace")

    @property
    def broker_pid(self) -> int:
        return int((self.folder / "mosquitto.pid").read_text("ascii"))

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(20)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    if PROGRAM is None:
        pytest.skip("mosquitto is not installed")
    opened = Place(tmp_path / "place")
    try:
        yield opened
    finally:
        opened.close()


def refused(*command: str | Path, **environment: str) -> str:
    """What it says when it refuses to start."""
    ended = subprocess.run(command, capture_output=True, text=True, timeout=20, env=environment or None)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    return ended.stderr


def test_a_folder_that_is_none_or_was_not_filled_is_refused_in_one_sentence(tmp_path: Path) -> None:
    script = SHIPPED / "run.sh"

    assert (
        refused(script, tmp_path / "none")
        == f"There is no folder {tmp_path / 'none'} that could be entered.\n"
    )
    assert "run ./waystation credential mosquitto first" in refused(script, tmp_path)
    assert f"come in at {SHIPPED} yet" in refused(script), "without a word it is the folder it lies in"


def test_a_new_station_comes_in_while_another_stays_and_one_taken_back_is_cut_off(place: Place) -> None:
    place.let_in(ALICE)
    place.start()
    alice = place.station(ALICE)
    assert alice.welcome
    assert not place.welcomes(BOB)

    place.let_in(ALICE, BOB)
    eventually(lambda: place.welcomes(BOB), 10, every_s=0.3, saying="the new one comes in")
    alice.publish(ALICES, b"still here")
    assert not alice.lost.is_set()

    place.let_in(BOB)
    eventually(alice.lost.is_set, 10, saying="who was taken back is cut off")
    alice.close()
    assert not place.welcomes(ALICE)
    assert place.welcomes(BOB)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_order_and_leaves_nothing_running(place: Place, number: signal.Signals) -> None:
    place.let_in(ALICE)
    place.start()
    assert place.process is not None
    broker = place.broker_pid
    if number == signal.SIGINT:
        os.killpg(place.process.pid, number)  # as a terminal does
    else:
        place.process.send_signal(number)

    assert place.process.wait(15) == 0
    assert not Path(f"/proc/{broker}").exists()
    assert (place.folder / "data/mosquitto.db").stat().st_size > 0
    assert sorted(file.name for file in place.folder.glob("*")) == sorted(
        file.name for file in place._hub.folder.glob("*")
    )


def test_a_killed_broker_ends_the_script_so_that_whoever_watches_it_can_start_it_again(place: Place) -> None:
    place.let_in(ALICE)
    place.start()
    assert place.process is not None
    os.kill(place.broker_pid, signal.SIGKILL)

    assert place.process.wait(15) == 128 + signal.SIGKILL
    place.start()


@pytest.mark.parametrize(
    "spoil",
    [lambda store: store[:-9], lambda store: store[:7], lambda store: b"no store" * 40],
    ids=["cut short", "a few bytes", "something else"],
)
def test_a_store_that_cannot_be_read_is_put_aside_and_stations_are_served(
    place: Place, spoil: Callable[[bytes], bytes]
) -> None:
    place.let_in(ALICE)
    place.start()
    with_a_session = place.station(ALICE, persistent=True)
    assert with_a_session.subscribe(f"ws/{ADCODE}/{ALICE}/down/#", qos=1)
    with_a_session.close()
    assert place.process is not None
    place.process.terminate()
    assert place.process.wait(15) == 0
    store = place.folder / "data/mosquitto.db"
    spoiled = spoil(store.read_bytes())
    store.write_bytes(spoiled)

    place.start()
    assert (place.folder / "data/mosquitto.db.unreadable").read_bytes() == spoiled
    assert "it is kept as data/mosquitto.db.unreadable" in place.said


def test_a_second_one_in_the_same_folder_ends_and_harms_nobody(place: Place) -> None:
    place.let_in(ALICE)
    place.start()
    alice = place.station(ALICE)
    first, store = place.process, place.folder / "data/mosquitto.db"
    second = place.run()
    assert second.wait(15) == 1
    assert "Address already in use" in place.said
    place.process = first

    assert not alice.lost.is_set()
    assert not store.with_suffix(".db.unreadable").exists()
    place.let_in(ALICE, BOB)
    eventually(lambda: place.welcomes(BOB), 10, every_s=0.3, saying="the first is still told")
    alice.close()


@pytest.mark.docker
def test_in_a_container_the_line_of_the_document_lets_in_who_is_added_later(place: Place) -> None:
    why = containers.why_none(containers.MOSQUITTO)
    if why:
        pytest.skip(why)
    (line,) = re.findall(r"`(docker run [^`]+)`", (TREE / "docs/brokers.md").read_text("utf-8"))
    place.let_in(ALICE)
    process = place.run("/bin/sh", "-c", f"exec {place.in_container(line)}")
    assert place.welcomes(ALICE)
    assert not place.welcomes(BOB)
    place.let_in(ALICE, BOB)
    eventually(lambda: place.welcomes(BOB), 10, every_s=0.3, saying="the new one comes in")

    process.terminate()
    assert process.wait(20) == 0, place.said
