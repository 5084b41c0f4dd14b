"""A certificate of the broker that will end is told of in good time, whoever has made it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from courier.channel import RecordingChannel
from courier.hub_words import HubWords
from runtime.broker import Broker
from runtime.broker_address import BrokerAddress
from runtime.certificate import SERVER_DAYS, ends_ms, files_of, prepare
from runtime.clock import WallClock
from runtime.settings import TREE
from runtime.shown_certificate import ShownCertificate, shown_until_ms
from tests.ports import free_port
from tests.runtime.command_line import run
from tests.runtime.test_broker import self_signed
from tests.waiting import eventually

pytestmark = pytest.mark.integration

NAMES = ["127.0.0.1"]
DAY_MS = 86_400_000


class Later(WallClock):
    """A clock that tests put forward."""

    later_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.later_ms


class Watched:
    """A broker with a certificate, and what people are told of it as days pass."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.channel = Later(), RecordingChannel()
        self.folder, port = folder, free_port()
        prepare(folder, NAMES, self.clock.now_ms())
        self.broker = Broker(folder, port, free_port(), "127.0.0.1", tls=files_of(folder).server)
        self._words = HubWords([self.channel], self.clock, "https://hub.example.org")
        self._shown = ShownCertificate(BrokerAddress("127.0.0.1", port), self.clock, self._words)

    def told(self, days: float) -> list[str]:
        """All of it until so many days from now."""
        self.clock.later_ms = round(days * DAY_MS)
        self._shown.look()
        self._words.deliver()
        return [str(message.body["text_en"]) for message in self.channel.messages]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    made = Watched(tmp_path)
    made.broker.start()
    yield made
    made.broker.stop()


def test_each_step_is_told_once_and_that_it_is_over(watched: Watched) -> None:
    assert watched.told(SERVER_DAYS - 31) == []
    (first,) = watched.told(SERVER_DAYS - 29)
    assert first.startswith("[Major] The broker's certificate ends within 30 days, on 20")
    assert len(watched.told(SERVER_DAYS - 20)) == 1, "the same is not said every hour"
    assert "within 7 days" in watched.told(SERVER_DAYS - 6)[-1]
    assert len(watched.told(SERVER_DAYS - 0.5)) == 3
    assert "ended on" in watched.told(SERVER_DAYS + 0.5)[-1]

    assert prepare(watched.folder, NAMES, watched.clock.now_ms())
    assert watched.broker.reload()
    over = eventually(lambda: watched.told(SERVER_DAYS + 1)[4:])
    assert over == ["[Over] The broker has a new certificate."]


def test_what_is_shown_is_read_and_one_that_is_away_or_speaks_plainly_is_no_news(watched: Watched) -> None:
    there = watched._shown._address
    assert shown_until_ms(there) == ends_ms(files_of(watched.folder).server.certificate)
    watched.broker.stop()
    assert shown_until_ms(there) is None
    assert watched.told(SERVER_DAYS + 1) == []


def test_the_courier_looks_at_what_the_broker_shows(tmp_path: Path) -> None:
    tls, port = self_signed(tmp_path), free_port()
    broker = Broker(tmp_path, port, free_port(), "127.0.0.1", tls=tls)
    broker.start()
    settings = {
        "WAYSTATION_VAR_DIR": str(tmp_path),
        "WAYSTATION_MQTT_PORT": str(port),
        "WAYSTATION_MQTT_CERTIFICATE": str(tls.certificate),
        "WAYSTATION_MQTT_KEY": str(tls.key),
    }
    assert run(("db", "init"), settings).code == 0
    courier = subprocess.Popen([TREE / "waystation", "courier"], env=os.environ | settings)
    try:
        log = tmp_path / "log" / "courier.log"
        eventually(lambda: log.exists() and "certificate_ends" in log.read_text("utf-8"), 30)
    finally:
        courier.terminate()
        courier.wait(20)
        broker.stop()
