"""A house for each test, and a loop for the devices that speak in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.brokers import EMBEDDED
from tests.gateway.house import Box, House, open_house
from transport.loop import MqttLoop


@pytest.fixture
def broker_kind(request: pytest.FixtureRequest) -> str:
    """Which broker the house has: the embedded one, unless a test asks for others by this name."""
    return str(getattr(request, "param", EMBEDDED))


@pytest.fixture
def house(tmp_path: Path, migrated_url: str, broker_kind: str) -> Iterator[House]:
    with open_house(tmp_path / "var", migrated_url, broker_kind=broker_kind) as house:
        yield house


@pytest.fixture
def loop() -> Iterator[MqttLoop]:
    loop = MqttLoop("boxes")
    loop.start()
    yield loop
    loop.stop(5)


@pytest.fixture
def box(house: House, loop: MqttLoop) -> Box:
    """Station 1's edge box, connected to a hub that listens."""
    house.gateway()
    return Box(house, loop)
