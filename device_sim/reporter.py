"""Which fields a device has to send now: those that changed, and those that would grow stale."""

from __future__ import annotations

from collections.abc import Mapping

from devices.kind import Metric
from domain.facts import Value

REPEATS_A_LIFE = 3
"""How often a value is sent within the time after which the hub calls it unknown."""


class Reporter:
    """Remembers what was last sent, and when. `always` names fields that every beat carries."""

    __slots__ = ("_always", "_life_ms", "_sent")

    def __init__(self, metrics: Mapping[str, Metric], always: tuple[str, ...] = ()) -> None:
        self._life_ms = {name: metric.fresh_s * 1000 // REPEATS_A_LIFE for name, metric in metrics.items()}
        self._always = always
        self._sent: dict[str, tuple[Value, int]] = {}

    def changed(self, values: Mapping[str, Value], now_ms: int) -> dict[str, Value]:
        """Only what differs from what was last sent; noted as sent."""
        sent = self._sent
        return self._note({k: v for k, v in values.items() if k not in sent or sent[k][0] != v}, now_ms)

    def beat(self, values: Mapping[str, Value], now_ms: int) -> dict[str, Value]:
        """What a periodic report carries; noted as sent."""
        sent, life_ms, always = self._sent, self._life_ms, self._always
        fields = {
            name: value
            for name, value in values.items()
            if name in always
            or name not in sent
            or sent[name][0] != value
            or now_ms - sent[name][1] >= life_ms.get(name, 0)
        }
        return self._note(fields, now_ms)

    def all(self, values: Mapping[str, Value], now_ms: int) -> dict[str, Value]:
        """Everything; noted as sent."""
        return self._note(dict(values), now_ms)

    def _note(self, fields: dict[str, Value], now_ms: int) -> dict[str, Value]:
        for name, value in fields.items():
            self._sent[name] = (value, now_ms)
        return fields
