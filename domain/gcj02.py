"""Where a point lies on Chinese maps, which shift every position by a few hundred metres (GCJ-02)."""

from __future__ import annotations

import math
from typing import Final

_AXIS_M: Final = 6_378_245.0
_FLATNESS: Final = 0.00669342162296594323


def to_gcj02(lat: float, lon: float) -> tuple[float, float]:
    """Latitude and longitude for Amap and Tencent maps, from WGS-84 degrees within China."""
    x, y = lon - 105.0, lat - 35.0
    root, wave = math.sqrt(abs(x)), _sines(6.0 * x, 2.0 * x) * 20.0
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root
    north += (wave + _sines(y, y / 3.0, 20.0, 40.0) + 160.0 * _sin(y / 12.0) + 320.0 * _sin(y / 30.0)) * 2 / 3
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root
    east += (wave + _sines(x, x / 3.0, 20.0, 40.0) + 150.0 * _sin(x / 12.0) + 300.0 * _sin(x / 30.0)) * 2 / 3
    radians = math.radians(lat)
    bulge = 1 - _FLATNESS * math.sin(radians) ** 2
    per_degree_north = math.radians(_AXIS_M * (1 - _FLATNESS) / (bulge * math.sqrt(bulge)))
    per_degree_east = math.radians(_AXIS_M / math.sqrt(bulge) * math.cos(radians))
    return lat + north / per_degree_north, lon + east / per_degree_east


def _sin(half_turns: float) -> float:
    return math.sin(half_turns * math.pi)


def _sines(one: float, other: float, first: float = 1.0, second: float = 1.0) -> float:
    return first * _sin(one) + second * _sin(other)
