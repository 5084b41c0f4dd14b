"""What a device tells of its station, kept within bounds by limits for its reports."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from devices.derived import step_min
from devices.kind import Export
from devices.state import SELF, DeviceState
from domain.facts import Facts, Mark, Value
from rules.reach import Place, derived_reach
from rules.safe_box import SafeBox, Told

Bound = tuple[float, float] | None
"""From where to where a told number may go; None: it must stay as it is."""
Bounds = Mapping[str, Bound]
"""By name of an export; what is not named may go anywhere."""


def is_bounded(
    export: Export, bound: tuple[float, float], place: Place, box: SafeBox, truths: Collection[str]
) -> bool:
    """Put down limits that keep what is told within its bound; False when there are none."""
    sources, limits = export.sources or (), place.limits
    low, high = bound
    if all(name in place.metrics and name in limits.known for name in sources):
        if sources == (export.name,) and export.type != "bool":
            limits.span(export.name, low, high)
        else:
            box.told.append(Told(sources, _Tellings(export, sources, truths), bound))
        return True
    derived = place.derived.get(sources[0]) if len(sources) == 1 else None
    if derived is None or derived.source not in limits.known:
        return False
    value = place.facts.values.get(derived.name)
    reach = derived_reach(place, derived, value)
    if reach is None:
        return False
    if reach.free and export.whole:
        least, most = math.ceil(low) - 0.5 if low > -math.inf else low, high
        if high < math.inf:
            most = math.nextafter(math.floor(high) + 0.5, -math.inf)
        least = math.nextafter(least, math.inf)
        if not least <= reach.low <= reach.high <= most:
            return False
        limits.span(derived.source, least, most)
        return True
    if low > 0 or not isinstance(value, (int, float)) or value > high:
        return False
    if reach.minutes:
        if high < math.inf:
            left_ms = int((high - value - step_min(value)) * 60_000)
            box.until_ms = min(box.until_ms, box.at_ms + left_ms)
        return True
    if reach.free:
        return False
    limits.fixed[derived.source] = limits.known[derived.source]
    return True


class _Tellings(dict[tuple[Value, ...], Value]):
    """What is told when the sources have some values; found out once for each."""

    def __init__(self, export: Export, sources: tuple[str, ...], truths: Collection[str]) -> None:
        super().__init__()
        self._export, self._sources, self._truths = export, sources, truths

    def __missing__(self, values: tuple[Value, ...]) -> Value:
        said = {
            name: bool(value) if name in self._truths and value is not None else value
            for name, value in zip(self._sources, values, strict=True)
        }
        state = DeviceState({SELF: Facts(dict(said), dict.fromkeys(said, Mark(0, 0, 0)))})
        read = self._export.tell(state, 0)
        told = self[values] = None if read is None else read[0]
        return told


def is_steady(export: Export, places: Mapping[int, Place], box: SafeBox) -> bool:
    """What the station is told of stays as it is; False when nobody can say so."""
    for name in export.sources or ():
        for n, place in places.items():
            derived = place.derived.get(name)
            source = name if derived is None else derived.source
            if source not in place.limits.known:
                if place.facts.values.get(source) is not None and (n == SELF or name in place.metrics):
                    return False
                continue
            if derived is None:
                place.limits.fixed[name] = place.facts.values.get(name)
            elif export.whole:
                reach = derived_reach(place, derived, None)
                if reach is None:
                    return False
                middle = round(reach.low)
                low, high = math.nextafter(middle - 0.5, math.inf), math.nextafter(middle + 0.5, -math.inf)
                if not low <= reach.low <= reach.high <= high:
                    return False
                place.limits.span(source, low, high)
            else:
                steady = getattr(derived, "steady_until_ms", None)
                memory = place.facts.memory.get(name)
                if steady is None or not memory:
                    return False
                place.limits.fixed[source] = place.facts.values.get(source)
                box.until_ms = min(box.until_ms, steady(memory))
    return True
