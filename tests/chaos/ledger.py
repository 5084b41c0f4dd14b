"""What the database says about messages and alerts, and nothing but the database."""

from __future__ import annotations

from collections import Counter
from typing import Any

from devices.state import DeviceState
from tests.gateway.house import KINDS, House

Heard = tuple[str, str, int]

_WHERE_ROWS_ARE = " UNION ALL ".join(
    [
        *(f"SELECT station, boot, seq FROM series_{kind} WHERE speaker_kind='station'" for kind in KINDS),
        "SELECT station, boot, seq FROM event WHERE speaker_kind='station'",
        "SELECT station, boot, seq FROM quarantine WHERE boot IS NOT NULL AND seq IS NOT NULL",
    ]
)


def rows_of_messages(house: House) -> Counter[Heard]:
    """How many rows each (station, boot, seq) has over series, events and quarantine."""
    return Counter((row[0], row[1], row[2]) for row in house.rows(_WHERE_ROWS_ARE))


def missing(house: House, promised: set[Heard]) -> list[Heard]:
    """Promised and not there."""
    return sorted(promised - rows_of_messages(house).keys())


def doubled(house: House) -> list[tuple[Heard, int]]:
    """There more than once."""
    return sorted((key, count) for key, count in rows_of_messages(house).items() if count > 1)


def alerts(house: House, code: str) -> list[Any]:
    """Every row of one code: station, part, whether it is open, how many it was told as opened."""
    return house.rows(
        "SELECT alert.station, alert.part, alert.resolved_ms IS NULL,"
        " (SELECT count(*) FROM notice WHERE notice.alert_id = alert.id AND notice.what = 'opened')"
        " FROM alert WHERE alert.code = :code ORDER BY alert.station, alert.part",
        code=code,
    )


def stale_states(house: House) -> list[tuple[str, Any, Any]]:
    """Counters whose state is not what the last message of their present boot said: station, state, row."""
    wrong = []
    for station, state in house.rows("SELECT station, state FROM device_state WHERE kind='occupancy_sensor'"):
        told = DeviceState.from_json(state).own.values["count_raw"]
        rows = house.rows(
            "SELECT count_raw FROM series_occupancy_sensor AS row"
            " JOIN speaker ON speaker.station = row.station AND speaker.boot = row.boot"
            " WHERE row.station = :station ORDER BY seq DESC LIMIT 1",
            station=station,
        )
        if rows and rows[0][0] != told:
            wrong.append((station, told, rows[0][0]))
    return wrong


def open_twice(house: House) -> list[Any]:
    """Faults with more than one open row."""
    return house.rows(
        "SELECT station, kind, n, part, code, count(*) FROM alert WHERE resolved_ms IS NULL"
        " GROUP BY station, kind, n, part, code HAVING count(*) > 1"
    )


def notices_per_alert(house: House) -> list[Any]:
    """Alerts that were not told as opened exactly once."""
    return house.rows(
        "SELECT alert.id, alert.code, count(notice.id) FROM alert"
        " LEFT JOIN notice ON notice.alert_id = alert.id AND notice.what = 'opened'"
        " GROUP BY alert.id, alert.code HAVING count(notice.id) <> 1"
    )
