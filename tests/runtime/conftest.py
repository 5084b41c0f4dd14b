"""A real broker for the tests of this folder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.broker import Broker
from runtime.secrets import load_or_create_secrets
from tests.runtime.listener import Connect, Listener, RunningBroker, free_port


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
