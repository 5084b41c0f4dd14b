"""A certificate that is renewed, or made again, is shown by the running broker; nobody is cut off for it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from domain.clock import Clock
from runtime.broker_address import broker_address
from runtime.certificate import RENEW_DAYS, SERVER_DAYS, files_of
from runtime.clock import WallClock
from runtime.installation import Installation
from runtime.listening import opened
from runtime.mosquitto_certificate import keep_certificate
from runtime.settings import TREE, load_settings
from runtime.watched_files import WatchedFiles
from tests.mosquitto import PROGRAM
from tests.ports import free_port
from tests.runtime.command_line import STATION, Waystation, add
from tests.runtime.listener import ADCODE, Listener
from tests.runtime.test_broker import self_signed
from tests.waiting import eventually

DAY_S = 86_400.0
LINK = f"ws/{ADCODE}/{STATION}/quick/station/0/link"


class LaterClock:
    """The wall clock of some days from now."""

    def __init__(self, days: float) -> None:
        self._wall: Clock = WallClock()
        self._later_ms = round(days * DAY_S * 1000)

    def now_ms(self) -> int:
        return self._wall.now_ms() + self._later_ms

    def monotonic_s(self) -> float:
        return self._wall.monotonic_s()


def serial_shown(port: int) -> int:
    """Which certificate a listener shows to somebody who comes now."""
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), 5) as raw, anybody.wrap_socket(raw) as wire:
        found = wire.getpeercert(binary_form=True)
        assert found is not None
        return x509.load_der_x509_certificate(found).serial_number


def serial_of(pem: Path) -> int:
    return x509.load_pem_x509_certificate(pem.read_bytes()).serial_number


@contextlib.contextmanager
def running(command: list[str], settings: dict[str, str], port: int) -> Iterator[None]:
    """A broker's process that listens until the block ends."""
    process = subprocess.Popen(
        command,
        env=os.environ | settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def listens() -> bool:
        assert process.poll() is None, "the broker has ended"
        with contextlib.suppress(OSError):
            serial_shown(port)
            return True
        return False

    try:
        eventually(listens, 30, every_s=0.1, saying="the broker listens")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def shows(port: int, pem: Path, station: Listener) -> None:
    """Wait until newcomers see this certificate, and see that the station was not cut off."""
    eventually(lambda: serial_shown(port) == serial_of(pem), 15, every_s=0.2, saying="the new certificate")
    station.publish(LINK, b"still here")
    assert not station.lost.is_set()


def coming(settings: dict[str, str], port: int, password: str) -> Listener:
    """A station that trusts the hub's authority, as it was from the beginning."""
    authority = Path(settings["WAYSTATION_VAR_DIR"]) / "certificate/ca.pem"
    trusting = ssl.create_default_context(cafile=str(authority))
    station = Listener(port, password, STATION, username=STATION, tls=trusting)
    assert station.welcome
    return station


@pytest.mark.integration
def test_the_embedded_broker_shows_a_certificate_made_again_and_keeps_its_stations(
    waystation: Waystation, var_dir: Path
) -> None:
    port = free_port()
    settings = {
        "WAYSTATION_VAR_DIR": str(var_dir),
        "WAYSTATION_MQTT_LISTEN": "127.0.0.1",
        "WAYSTATION_MQTT_TLS_PORT": str(port),
        "WAYSTATION_NATS_PORT": str(free_port()),
    }
    add(waystation)
    password = waystation("credential", "issue", STATION, "--password-only").out.strip()
    pem = files_of(var_dir).server.certificate
    with running([str(TREE / "waystation"), "broker"], settings, port):
        first = serial_of(pem)
        station = coming(settings, port, password)
        said = waystation("credential", "ca", **settings, WAYSTATION_CERTIFICATE_NAMES="new.example")
        assert "new.example" in said.out
        assert serial_of(pem) != first

        shows(port, pem, station)
        station.close()
        coming(settings, port, password).close()


@pytest.mark.integration
def test_the_embedded_broker_shows_a_certificate_of_ones_own_when_its_files_are_replaced(
    waystation: Waystation, var_dir: Path
) -> None:
    port = free_port()
    first, second = var_dir / "first", var_dir / "second"
    for folder in (first, second):
        folder.mkdir()
    tls, other = self_signed(first), self_signed(second)
    settings = {
        "WAYSTATION_VAR_DIR": str(var_dir),
        "WAYSTATION_MQTT_PORT": str(port),
        "WAYSTATION_MQTT_CERTIFICATE": str(tls.certificate),
        "WAYSTATION_MQTT_KEY": str(tls.key),
        "WAYSTATION_NATS_PORT": str(free_port()),
    }
    add(waystation)
    password = waystation("credential", "issue", STATION, "--password-only").out.strip()
    with running([str(TREE / "waystation"), "broker"], settings, port):
        trusting = ssl.create_default_context(cafile=str(tls.certificate))
        station = Listener(port, password, STATION, username=STATION, tls=trusting)
        shutil.copy(other.certificate, tls.certificate)
        # Meanwhile certificate and key do not belong together: nothing may come of that.
        shutil.copy(other.key, tls.key)

        shows(port, other.certificate, station)
        station.close()


@pytest.mark.integration
def test_mosquitto_shows_a_certificate_that_the_courier_has_renewed_and_keeps_its_stations(
    waystation: Waystation, var_dir: Path
) -> None:
    if PROGRAM is None:
        pytest.skip("mosquitto is not installed")
    port = free_port()
    settings = {
        "WAYSTATION_VAR_DIR": str(var_dir),
        "WAYSTATION_BROKER": "mosquitto",
        "WAYSTATION_MQTT_PORT": str(free_port()),
        "WAYSTATION_MQTT_TLS_PORT": str(port),
    }
    add(waystation)
    password = waystation("credential", "issue", STATION, "--password-only", **settings).out.strip()
    folder, pem = var_dir / "mosquitto", files_of(var_dir).server.certificate
    with running([str(TREE / "waystation"), "broker"], settings, port):
        first = serial_of(pem)
        station = coming(settings, port, password)
        look_after(settings, days=SERVER_DAYS - RENEW_DAYS - 2)
        assert serial_of(pem) == first

        look_after(settings, days=SERVER_DAYS - RENEW_DAYS + 2)
        assert serial_of(pem) != first
        shows(port, folder / "server.pem", station)
        station.close()
    assert serial_of(folder / "server.pem") == serial_of(pem)


def look_after(settings: dict[str, str], days: float) -> None:
    """What the courier does when it looks, so many days from now."""
    here = Installation(load_settings(settings), LaterClock(days))
    database, stop = here.database(), threading.Event()
    stop.set()
    try:
        keep_certificate(here, database, stop)
    finally:
        database.close()


def test_what_another_process_has_renewed_is_brought_to_mosquitto_too(
    waystation: Waystation, var_dir: Path
) -> None:
    settings = {"WAYSTATION_VAR_DIR": str(var_dir), "WAYSTATION_BROKER": "mosquitto"}
    waystation("credential", "mosquitto")
    waystation("credential", "ca", WAYSTATION_CERTIFICATE_NAMES="new.example")
    look_after(settings, days=0)

    pem = files_of(var_dir).server.certificate
    assert (var_dir / "mosquitto/server.pem").read_bytes() == pem.read_bytes()
    look_after({**settings, "WAYSTATION_BROKER": "embedded"}, days=SERVER_DAYS)
    assert (var_dir / "mosquitto/server.pem").read_bytes() == pem.read_bytes()


@pytest.mark.integration
def test_the_hubs_own_processes_trust_a_certificate_of_ones_own_that_was_replaced(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    tls, other = self_signed(first), self_signed(second)
    settings = load_settings(
        {
            "WAYSTATION_VAR_DIR": str(tmp_path),
            "WAYSTATION_MQTT_CERTIFICATE": str(tls.certificate),
            "WAYSTATION_MQTT_KEY": str(tls.key),
        }
    )
    ours = broker_address(opened(settings)).tls
    assert ours is not None
    assert _shakes_hands(tls.certificate, tls.key, ours)
    assert not _shakes_hands(other.certificate, other.key, ours)
    shutil.copy(other.certificate, tls.certificate)
    assert _shakes_hands(other.certificate, other.key, ours)


def test_a_change_of_files_is_told_once_and_when_it_is_whole(tmp_path: Path) -> None:
    certificate, key = tmp_path / "server.pem", tmp_path / "server.key"
    certificate.write_text("one")
    watched = WatchedFiles((certificate, key))
    assert [watched.changed() for _ in range(3)] == [False, False, False]

    certificate.write_text("another")
    assert not watched.changed()
    key.write_text("and its key")
    assert [watched.changed() for _ in range(4)] == [False, True, False, False]

    key.unlink()
    assert [watched.changed() for _ in range(3)] == [False, True, False]


def _shakes_hands(certificate: Path, key: Path, client: ssl.SSLContext) -> bool:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    one, other = socket.socketpair()

    def serve() -> None:
        with contextlib.suppress(OSError):
            server.wrap_socket(one, server_side=True).close()
        one.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        client.wrap_socket(other, server_hostname="127.0.0.1").close()
    except ssl.SSLError:
        return False
    finally:
        other.close()
        thread.join(5)
    return True
