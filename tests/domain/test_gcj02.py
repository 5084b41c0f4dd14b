"""Points shifted for Chinese maps, against values that several independent programs agree on."""

from __future__ import annotations

import math

import pytest

from domain.gcj02 import to_gcj02


@pytest.mark.parametrize(
    ("wgs84", "gcj02"),
    [
        ((39.90734, 116.39119), (39.908741216263294, 116.39743110333876)),
        ((30.2741, 120.1551), (30.271771223200254, 120.15979447929637)),
    ],
)
def test_known_points(wgs84: tuple[float, float], gcj02: tuple[float, float]) -> None:
    assert to_gcj02(*wgs84) == pytest.approx(gcj02, abs=1e-9)


def test_in_zhejiang_the_shift_is_about_half_a_kilometre() -> None:
    for lat in (27.2, 28.66, 30.2, 31.0):
        for lon in (118.2, 120.1, 121.42, 122.8):
            north, east = (b - a for a, b in zip((lat, lon), to_gcj02(lat, lon), strict=True))
            metres = math.hypot(north, east * math.cos(math.radians(lat))) * 111_195
            assert 400 < metres < 640
