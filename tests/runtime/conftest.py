"""A real broker for the tests of this folder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.broker import Broker
from runtime.secrets import load_or_create_secrets
from storage.database import Database, open_database
from tests.ports import free_port
from tests.runtime.command_line import Waystation, run
from tests.runtime.listener import Connect, Listener, RunningBroker


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    """One broker for the tests of a module."""
    yield from _run(tmp_path_factory.mktemp("broker"))


@pytest.fixture
def own_running(tmp_path: Path) -> Iterator[RunningBroker]:
    """A broker that a test may kill or reload."""
    yield from _run(tmp_path)


def _run(folder: Path) -> Iterator[RunningBroker]:
    secrets = load_or_create_secrets(folder, time.time_ns() // 1_000_000)
    port = free_port()
    broker = Broker(folder, port, free_port(), secrets=secrets)
    broker.start()
    try:
        yield RunningBroker(broker, secrets, port)
    finally:
        broker.stop()


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Make clients that are closed after the test."""
    clients: list[Listener] = []

    def make(*arguments: Any, **options: Any) -> Listener:
        clients.append(Listener(*arguments, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def var_dir(tmp_path: Path, migrated_sqlite_url: str) -> Path:
    """A folder whose database has all its tables."""
    Path(migrated_sqlite_url.removeprefix("sqlite:///")).rename(tmp_path / "waystation.sqlite3")
    return tmp_path


@pytest.fixture
def waystation(var_dir: Path) -> Waystation:
    """Runs commands in that folder; keywords are settings."""
    return lambda *arguments, **settings: run(arguments, {"WAYSTATION_VAR_DIR": str(var_dir), **settings})


@pytest.fixture
def hub_database(var_dir: Path) -> Iterator[Database]:
    """The database of that folder."""
    opened = open_database(f"sqlite:///{var_dir / 'waystation.sqlite3'}")
    yield opened
    opened.close()
