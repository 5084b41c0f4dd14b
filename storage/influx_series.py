"""Readings in InfluxDB: written by way of the outbox, read by Flux queries whose names travel as values."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from domain.clock import Clock
from domain.errors import NotFound
from domain.ids import DeviceId
from storage import series_outbox
from storage.influx import Influx, InfluxAway, Param
from storage.influx_answer import Row
from storage.influx_messages import WHOSE, StoredMessage, put_together
from storage.influx_points import ALWAYS, NS_PER_MS, Shape, shape_of
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
        return [one.reading for one in self.messages(device, from_ms, to_ms)]

    def readings_of(
        self, connection: Connection, devices: Sequence[DeviceId], from_ms: int, to_ms: int
    ) -> dict[DeviceId, list[Reading]]:
        """The same of several devices, in one question: of a few stations, since all of it is held."""
        if from_ms >= to_ms or not devices:
            return {device: [] for device in devices}
        stations = sorted({device.station for device in devices})
        params: dict[str, Param] = self._span(from_ms, to_ms)
        # Named one by one, so that InfluxDB looks into their indexes and not at every point.
        params |= {f"p_station{n}": station for n, station in enumerate(stations)}
        here = " or ".join(f"r.station == p_station{n}" for n in range(len(stations)))
        flux = (
            f"from(bucket: p_bucket) |> range(start: p_from, stop: p_to) |> filter(fn: (r) => ({here})"
            f' and r._field != "extra" and r._field != "device_ts_ms") {WHOSE}'
        )
        found = put_together(self._ask(flux, params))
        return {device: [one.reading for one in found.get(device, ())] for device in devices}

    def messages(self, device: DeviceId, from_ms: int, to_ms: int) -> list[StoredMessage]:
        """The messages of a device in order of time, with all that is kept of each."""
        shape = _shape(device.kind)
        if from_ms >= to_ms:
            return []
        params = self._params(device, 0, from_ms, to_ms)
        rows = self._ask(f"{_SERIES}) {WHOSE}", params)
        if shape.part is not None:
            rows += self._ask(f"{_SERIES}) {WHOSE}", params | {"p_measurement": shape.part})
        return put_together(rows).get(device, [])

    def received_ms(self, device: DeviceId, from_ms: int, to_ms: int) -> list[int]:
        """When the messages were received that count from `from_ms` up to, not including, `to_ms`."""
        if from_ms >= to_ms:
            return []
        flux = f"{_SERIES} and r._field == p_field){_KEEP}"
        params = self._params(device, 0, from_ms, to_ms) | {"p_field": ALWAYS}
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
        which = "r.part == p_part" if part else f'r._field == "{ALWAYS}"'
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

    def _span(self, from_ms: int, to_ms: int) -> dict[str, Param]:
        return {
            "p_bucket": self._influx.at.bucket,
            "p_from": _moment(max(0, from_ms)),
            "p_to": _moment(min(to_ms, _END_MS)),
        }

    def _params(self, device: DeviceId, part: int, from_ms: int, to_ms: int) -> dict[str, Param]:
        shape = shape_of(device.kind)
        params = self._span(from_ms, to_ms) | {
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
