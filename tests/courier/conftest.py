"""A database with one station and alerts to tell of, and a clock that tests move."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from storage import notices
from storage.database import Database, open_database
from storage.migrate import upgrade
from storage.tables import alert, notice

if TYPE_CHECKING:
    from storage.influx import Influx, InfluxAt
    from tests.courier.influx_proxy import InfluxProxy

START_MS = 1_795_000_000_000


class StepClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self._now_ms = START_MS

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic_s(self) -> float:
        return self._now_ms / 1000

    def move_s(self, seconds: float) -> None:
        self._now_ms += round(seconds * 1000)


@pytest.fixture
def clock() -> StepClock:
    return StepClock()


@pytest.fixture
def db(sqlite_url: str) -> Iterator[Database]:
    upgrade(sqlite_url)
    database = open_database(sqlite_url)
    yield database
    database.close()


Tell = Callable[..., None]


@pytest.fixture
def tell(db: Database, clock: StepClock) -> Tell:
    """Write an alert and its notice."""

    def write(
        alert_id: str, what: notices.What = "opened", reason: str = "cleared", safety: bool = False
    ) -> None:
        now_ms = clock.now_ms()
        with db.write() as conn:
            if what == "opened":
                conn.execute(
                    sa.insert(alert).values(
                        id=alert_id, station="331002-0001", adcode="331002", kind="swap_cabinet", n=1, part=7,
                        code=f"battery_hot_{alert_id}", severity="major", safety=safety, state="firing",
                        rulebook_version=1, latched=False, happened_ms=now_ms, learned_ms=now_ms,
                        refuse_entry=False, values_json='{"temp_c":62.4}',
                        text_zh="【严重】椒江万达 · 换电柜 7 号仓：电池 62.4 ℃。",
                        text_en="Slot 7: battery at 62.4 °C.",
                        flaps=0, version=1,
                    )
                )  # fmt: skip
            else:
                over = {"state": "resolved", "resolved_ms": now_ms, "resolved_reason": reason}
                conn.execute(sa.update(alert).where(alert.c.id == alert_id).values(over))
            assert notices.create(conn, alert_id, what, "webhook", now_ms)

    return write


@pytest.fixture
def outcome(db: Database) -> Callable[[], list[tuple[str, int, bool, str | None]]]:
    """State, attempts, repeated and last error of every notice."""

    def read() -> list[tuple[str, int, bool, str | None]]:
        with db.read() as conn:
            rows = conn.execute(sa.select(notice).order_by(notice.c.id))
            return [(row.state, row.attempts, row.repeated, row.last_error) for row in rows]

    return read


@pytest.fixture
def proxy(influx_at: InfluxAt) -> Iterator[InfluxProxy]:
    """Stands before the shared InfluxDB."""
    from tests.courier.influx_proxy import InfluxProxy

    made = InfluxProxy(influx_at.url)
    yield made
    made.close()


@pytest.fixture
def influx(influx_at: InfluxAt, proxy: InfluxProxy) -> Iterator[Influx]:
    """A bucket of this test's own, by way of the proxy."""
    from storage.influx import Influx

    made = Influx(influx_at._replace(url=proxy.url), write_s=5.0)
    yield made
    made.close()
