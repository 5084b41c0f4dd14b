"""Tests find Mosquitto as a program, else in a container, which behaves as the program does."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from runtime.secrets import load_or_create_secrets
from runtime.station_passwords import StationLogin
from tests import containers, mosquitto
from tests.mosquitto import Mosquitto, login
from tests.runtime.listener import ADCODE, ALICE, BOB, Listener
from tests.waiting import eventually


def test_the_program_comes_first_and_where_nothing_is_the_reason_names_every_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(containers.ONLY, raising=False)
    monkeypatch.setattr(mosquitto, "PROGRAM", "/there/would/be/a/binary")
    assert mosquitto.found(tmp_path) == ["/there/would/be/a/binary"]

    why = "no Mosquitto: install mosquitto, or start a container: no Docker engine answers"
    monkeypatch.setenv(containers.ONLY, "1")
    assert mosquitto.found(tmp_path) == why
    monkeypatch.delenv(containers.ONLY)
    monkeypatch.setattr(mosquitto, "PROGRAM", None)
    assert mosquitto.found(tmp_path) == why


@pytest.mark.integration
@pytest.mark.docker
def test_mosquitto_comes_from_a_container_is_told_killed_and_started_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    why = containers.why_none(containers.MOSQUITTO)
    if why:
        pytest.skip(why)
    monkeypatch.setenv(containers.ONLY, "1")
    secrets = load_or_create_secrets(tmp_path, time.time_ns() // 1_000_000)
    broker = Mosquitto(tmp_path, secrets, [as_said(ALICE)])

    def comes(name: str) -> Listener:
        return Listener(broker.station_port, f"word of {name}", username=name, tls=broker.tls)

    def welcomes(name: str) -> bool:
        asking = comes(name)
        asking.close()
        return asking.welcome

    broker.start()
    try:
        alice = comes(ALICE)
        assert alice.welcome
        assert not welcomes(BOB)
        assert broker.let_in([as_said(ALICE), as_said(BOB)]), "it was told, as a process of this machine"
        eventually(lambda: welcomes(BOB), 5)
        assert not alice.lost.is_set()

        broker.kill()
        eventually(alice.lost.is_set, 5)
        alice.close()
        with pytest.raises(ConnectionRefusedError):
            comes(BOB)
        broker.start()
        assert welcomes(BOB)
    finally:
        broker.stop()
    with pytest.raises(ConnectionRefusedError):
        comes(BOB)


def as_said(name: str) -> StationLogin:
    return login(name, ADCODE, f"word of {name}")
