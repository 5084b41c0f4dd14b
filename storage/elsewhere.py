"""Opens the readings that are not in tables, for a back-test in whatever process it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from storage.influx_at import InfluxAt

if TYPE_CHECKING:
    from storage.influx_series import InfluxSeries

READ_S: Final = 30.0
"""A week of a cabinet is much, and nobody's transaction waits for it for long."""


@contextmanager
def readings_at(at: InfluxAt | None) -> Iterator[InfluxSeries | None]:
    """The readings in InfluxDB; None where `at` is None, since tables hold them then."""
    if at is None:
        yield None
        return
    from storage.influx import Influx
    from storage.influx_series import InfluxSeries

    influx = Influx(at, read_s=READ_S)
    try:
        yield InfluxSeries(influx)
    finally:
        influx.close()
