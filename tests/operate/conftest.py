"""A house with stations that talk, for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.house import House, open_house
from transport.loop import MqttLoop


@pytest.fixture
def house(tmp_path: Path, migrated_url: str) -> Iterator[House]:
    """Broker and database with two stations."""
    with open_house(tmp_path / "var", migrated_url) as house:
        yield house


@pytest.fixture
def loop() -> Iterator[MqttLoop]:
    """The network thread of the stations."""
    loop = MqttLoop("boxes")
    loop.start()
    yield loop
    loop.stop(5)
