"""Readings in InfluxDB: written by way of the outbox, read by Flux queries whose names travel as values."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from domain.clock import Clock
from domain.errors import NotFound
from domain.facts import Value
from domain.ids import DeviceId
from storage import series_outbox
from storage.influx import Influx, InfluxAway, Param
from storage.influx_answer import Row
from storage.influx_points import BESIDES, NO_CLOCK, NS_PER_MS, Shape, shape_of
from storage.series import Point, Reading, SqlSeries
from storage.series_outbox import Outbox
from storage.series_question import MAX_POINTS, Aggregate, check_question, metric_of

AT_ONCE: Final = 3
"""Questions at the same time. Each may hold a connection to the database: a hanging InfluxDB must not
take them all, since doors need them."""
LEFT_ALONE_S: Final = 3.0
"""For so long nobody asks again when InfluxDB did not answer."""
PRUNED_AT_ONCE: Final = 5000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_END_MS: Final = 7_258_118_400_000
"""2200: later than anything that is kept."""

_SERIES: Final = (
    "from(bucket: p_bucket) |> range(start: p_from, stop: p_to) |> filter(fn: (r) => "
    "r._measurement == p_measurement and r.station == p_station and r.device == p_device"
)
_WINDOW: Final = 'createEmpty: false, timeSrc: "_start"'
_KEEP: Final = ' |> keep(columns: ["_time", "_value", "_field", "part"])'


class InfluxSeries(Outbox):
    """Readings in InfluxDB. What is appended can be read when the courier has sent it.

    With a clock, an InfluxDB that did not answer is left alone for some seconds.
    """

    def __init__(self, influx: Influx, clock: Clock | None = None) -> None:
        self._influx = influx
        self._clock = clock
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._away_until_s = 0.0
        self._before = SqlSeries()

    def history(
        self,
        connection: Connection,
        device: DeviceId,
        metric: str,
        part: int,
        from_ms: int,
        to_ms: int,
        step_ms: int | None,
        aggregate: Aggregate,
    ) -> list[Point]:
        """As `SqlSeries.history` answers; sums of fractions may differ in their last digits."""
        declared = metric_of(device.kind, metric, part)
        check_question(declared, from_ms, to_ms, step_ms, aggregate)
        if from_ms >= to_ms:
            return []
        flux = f"{_SERIES} and r._field == p_field{' and r.part == p_part' if part else ''})"
        params = self._params(device, part, from_ms, to_ms)
        params["p_field"] = metric
        if step_ms is None:
            flux += f'{_KEEP} |> group() |> sort(columns: ["_time"]) |> limit(n: {MAX_POINTS})'
            return [Point(row.at_ns // NS_PER_MS, row.value) for row in self._ask(flux, params)]
        if declared.type == "bool" and aggregate != "last":
            flux += " |> toInt()"
        flux += f" |> aggregateWindow(every: p_step, fn: {aggregate}, {_WINDOW}){_KEEP}"
        params["p_step"] = timedelta(milliseconds=step_ms)
        found = {}
        for row in self._ask(flux, params):
            at_ms = row.at_ns // NS_PER_MS
            # The first step begins before what was asked for.
            found[at_ms - at_ms % step_ms] = row.value
        return [Point(*one) for one in sorted(found.items())]

    def readings(self, connection: Connection, device: DeviceId, from_ms: int, to_ms: int) -> list[Reading]:
        """The messages of a device in order of time; NotFound for a kind that does not exist."""
        return [reading for reading, _ in self.messages(device, from_ms, to_ms)]

    def messages(
        self, device: DeviceId, from_ms: int, to_ms: int
    ) -> list[tuple[Reading, Mapping[str, Value]]]:
        """The same, and beside each what else is kept of it: `device_ts_ms` and `extra`."""
        shape = _shape(device.kind)
        if from_ms >= to_ms:
            return []
        own: dict[int, dict[str, Value]] = {}
        flux = f"{_SERIES}){_KEEP}"
        for row in self._ask(flux, self._params(device, 0, from_ms, to_ms)):
            own.setdefault(row.at_ns, {})[row.field] = row.value
        parts: dict[int, dict[int, dict[str, Value]]] = {}
        if shape.part is not None:
            params = self._params(device, 0, from_ms, to_ms) | {"p_measurement": shape.part}
            for row in self._ask(flux, params):
                of_part = parts.setdefault(row.at_ns, {}).setdefault(row.part, {})
                if row.field not in BESIDES:
                    of_part[row.field] = row.value
        made: list[tuple[Reading, Mapping[str, Value]]] = []
        for at_ns, fields in own.items():
            boot, seq = fields.pop("boot", None), fields.pop("seq", None)
            received_ms = fields.pop("received_ms", None)
            if not isinstance(boot, str) or not isinstance(seq, int) or not isinstance(received_ms, int):
                continue  # not written by us
            at_ms = at_ns // NS_PER_MS
            fields.setdefault("device_ts_ms", at_ms)
            beside: dict[str, Value] = {name: fields.pop(name) for name in BESIDES if name in fields}
            if beside["device_ts_ms"] == NO_CLOCK:
                del beside["device_ts_ms"]
            made.append((Reading(at_ms, received_ms, boot, seq, fields, parts.get(at_ns, {})), beside))
        made.sort(key=lambda one: (one[0].at_ms, one[0].seq))
        return made

    def received_ms(self, device: DeviceId, from_ms: int, to_ms: int) -> list[int]:
        """When the messages were received that count from `from_ms` up to, not including, `to_ms`."""
        if from_ms >= to_ms:
            return []
        flux = f"{_SERIES} and r._field == p_field){_KEEP}"
        params = self._params(device, 0, from_ms, to_ms) | {"p_field": "received_ms"}
        return [int(row.value) for row in self._ask(flux, params) if row.value is not None]

    def first_ms(
        self, connection: Connection, device: DeviceId, part: int = 0, from_ms: int = 0
    ) -> int | None:
        """When the oldest row counts that is not before `from_ms`."""
        try:
            shape = _shape(device.kind)
        except NotFound:
            return None
        if part and shape.part is None:
            return None
        # Parts have no field that is in all of their rows.
        which = "r.part == p_part" if part else 'r._field == "seq"'
        flux = f'{_SERIES} and {which}) |> first() |> keep(columns: ["_time"])'
        found = [row.at_ns for row in self._ask(flux, self._params(device, part, from_ms, _END_MS))]
        return min(found) // NS_PER_MS if found else None

    def prune(self, connection: Connection, before_ms: int, after: str = "", devices: int = 50) -> str | None:
        """Delete what was sent from the outbox, and what tables kept before InfluxDB did.

        In InfluxDB the bucket's own retention does it.
        """
        if not after and series_outbox.forget(connection, PRUNED_AT_ONCE):
            return ""
        return self._before.prune(connection, before_ms, after, devices)

    def _params(self, device: DeviceId, part: int, from_ms: int, to_ms: int) -> dict[str, Param]:
        shape = shape_of(device.kind)
        params: dict[str, Param] = {
            "p_bucket": self._influx.at.bucket,
            "p_from": _moment(max(0, from_ms)),
            "p_to": _moment(min(to_ms, _END_MS)),
            "p_measurement": (shape.part or "") if part else shape.own,
            "p_station": device.station,
            "p_device": str(device.n),
        }
        if part:
            params["p_part"] = str(part)
        return params

    def _ask(self, flux: str, params: Mapping[str, Param]) -> list[Row]:
        clock = self._clock
        if clock is not None and clock.monotonic_s() < self._away_until_s:
            raise InfluxAway("InfluxDB did not answer just now; it is asked again in some seconds.")
        if not self._places.acquire(timeout=1.0):
            raise InfluxAway("InfluxDB has enough to answer at the moment.")
        try:
            return list(self._influx.ask(flux, params))
        except InfluxAway:
            if clock is not None:
                self._away_until_s = clock.monotonic_s() + LEFT_ALONE_S
            raise
        finally:
            self._places.release()


def _shape(kind: str) -> Shape:
    try:
        return shape_of(kind)
    except KeyError:
        raise NotFound(f"There is no kind {kind[:40]!r}.") from None


def _moment(at_ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=at_ms)
