"""What this process knows of all stations: read from the database, reckoned again as time passes."""

from __future__ import annotations

import heapq
import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from sqlalchemy import Connection

from api.station_json import alerts_summary, availability_json, info_of, station_json
from domain.clock import Clock
from rules.availability import Availability, availability
from rules.station_view import StationView, Timetables
from storage import alerts as alert_rows
from storage import availability as availability_rows
from storage import registry, shards, store
from storage.alerts import Alert
from storage.availability import AvailabilityRow
from storage.database import Database
from storage.stations import Station, stations_since
from storage.versions import ALERTS, AVAILABILITY, STATIONS, last_version

T = TypeVar("T", AvailabilityRow, Alert)

_BATCH: Final = 5000
_LOOK_AGAIN_MS: Final = 6 * 3_600_000


@dataclass(frozen=True, slots=True)
class Shown:
    """One station as it is told now; `public` and `staff` are its JSON, ready to be sent."""

    station: Station
    equipped: bool
    row: AvailabilityRow | None
    availability: Availability
    public: bytes
    staff: bytes
    public_availability: bytes
    staff_availability: bytes
    due_ms: int


@dataclass(slots=True)
class Changes:
    """What a look brought: stations that read differently now, alerts that changed."""

    stations: set[str] = field(default_factory=set)
    alerts: list[Alert] = field(default_factory=list)
    everything: bool = False


@dataclass(frozen=True, slots=True)
class HubSeen:
    """The gateway's last sign of life, and how old it was by the database's clock; None: never seen."""

    seen_ms: int | None
    age_ms: int | None


class Board:
    """Readers of any thread see whole stations: entries are replaced, never altered. One thread looks."""

    def __init__(self, db: Database, clock: Clock, timetables: Timetables, *, shard: int = 0) -> None:
        self._db = db
        self._clock = clock
        self._timetables = timetables
        self._shard = shard
        self._lock = threading.Lock()
        self._versions = {STATIONS: 0, AVAILABILITY: 0, ALERTS: 0}
        self._store: str | None = None
        self._alerts: dict[str, dict[str, Alert]] = {}
        self._due: list[tuple[int, str]] = []
        self.stations: dict[str, Shown] = {}
        self.ids: list[str] = []
        self.hub = HubSeen(None, None)
        self.looked_s: float | None = None
        """When the database was last read in full, by the monotonic clock."""

    @property
    def version(self) -> int:
        """Rises whenever a station's facts changed."""
        return self._versions[AVAILABILITY]

    def get(self, id_: str) -> Shown | None:
        """One station."""
        return self.stations.get(id_)

    def look(self) -> Changes:
        """Read what changed and reckon what time changed; raises StorageUnavailable."""
        with self._lock:
            now_ms = self._clock.now_ms()
            with self._db.read() as conn:
                changes = self._read(conn, now_ms)
                worker = shards.worker(conn, self._shard)
                age_ms = None if worker is None else self._db.now_ms(conn) - worker.seen_ms
            self.hub = HubSeen(None if worker is None else worker.seen_ms, age_ms)
            self.looked_s = self._clock.monotonic_s()
            return changes

    def _read(self, conn: Connection, now_ms: int) -> Changes:
        name = store.store_id(conn)
        last = {writer: last_version(conn, writer) for writer in self._versions}
        if name != self._store or any(last[writer] < known for writer, known in self._versions.items()):
            return self._read_all(conn, name, now_ms)
        changes = Changes()
        if last[STATIONS] > self._versions[STATIONS]:
            for station in stations_since(conn, self._versions[STATIONS]):
                has_devices = bool(registry.list_devices(conn, area=station.id))
                known = self.stations.get(station.id)
                self._show(station, has_devices, known.row if known else None, now_ms, changes)
        if last[AVAILABILITY] > self._versions[AVAILABILITY]:
            for row in _all_since(conn, availability_rows.changed_since, self._versions[AVAILABILITY]):
                known = self.stations.get(row.station)
                if known is not None:
                    self._show(known.station, known.equipped, row, now_ms, changes)
        if last[ALERTS] > self._versions[ALERTS]:
            changes.alerts = _all_since(conn, alert_rows.changed_since, self._versions[ALERTS])
            for alert in changes.alerts:
                self._take_alert(alert)
            for id_ in {alert.device.station for alert in changes.alerts}:
                self._show_again(id_, now_ms, changes)
        self._versions = last
        self._pass_time(now_ms, changes)
        return changes

    def _read_all(self, conn: Connection, name: str, now_ms: int) -> Changes:
        found = registry.load(conn)
        rows = {row.station: row for row in availability_rows.load_all(conn)}
        self._alerts = {}
        for alert in alert_rows.all_open(conn):
            self._take_alert(alert)
        equipped = {device.station for device in found.devices}
        self._due = []
        stations = {}
        for id_ in sorted(found.stations):
            shown = self._reckon(found.stations[id_], id_ in equipped, rows.get(id_), now_ms)
            stations[id_] = shown
            self._due.append((shown.due_ms, id_))
        heapq.heapify(self._due)
        self.stations, self.ids = stations, list(stations)
        self._versions = {writer: last_version(conn, writer) for writer in self._versions}
        self._store = name
        return Changes(everything=True)

    def _take_alert(self, alert: Alert) -> None:
        of_station = self._alerts.setdefault(alert.device.station, {})
        if alert.state == "resolved":
            of_station.pop(alert.id, None)
        else:
            of_station[alert.id] = alert

    def open_alerts(self, station: str) -> Iterable[Alert]:
        """The open alerts of a station, as of the last look."""
        return list(self._alerts.get(station, {}).values())

    def _pass_time(self, now_ms: int, changes: Changes) -> None:
        while self._due and self._due[0][0] <= now_ms:
            due_ms, id_ = heapq.heappop(self._due)
            if self.stations[id_].due_ms == due_ms:
                self._show_again(id_, now_ms, changes)

    def _show_again(self, id_: str, now_ms: int, changes: Changes) -> None:
        known = self.stations.get(id_)
        if known is not None:
            self._show(known.station, known.equipped, known.row, now_ms, changes)

    def _show(
        self, station: Station, equipped: bool, row: AvailabilityRow | None, now_ms: int, changes: Changes
    ) -> None:
        shown = self._reckon(station, equipped, row, now_ms)
        known = self.stations.get(station.id)
        self.stations[station.id] = shown
        if known is None:
            self.ids = sorted(self.stations)
        if known is None or known.due_ms != shown.due_ms:
            heapq.heappush(self._due, (shown.due_ms, station.id))
        if known is None or known.public != shown.public or known.staff != shown.staff:
            changes.stations.add(station.id)

    def _reckon(self, station: Station, equipped: bool, row: AvailabilityRow | None, now_ms: int) -> Shown:
        alerts = self._alerts.get(station.id, {})
        view = view_of(row, {alert.code for alert in alerts.values()})
        told = availability(info_of(station, equipped), view, now_ms, self._timetables)
        version = row.version if row else 0
        outside = availability_json(told.public(), version, staff=False)
        public = station_json(station, equipped, outside)
        inside = availability_json(told, version, staff=True)
        staff = station_json(station, equipped, inside, alerts_summary(station, alerts.values()))
        # A deadline that has passed already would be due again at once, for ever.
        wanted_ms = told.next_change_ms
        due_ms = wanted_ms if wanted_ms is not None and wanted_ms > now_ms else now_ms + _LOOK_AGAIN_MS
        return Shown(
            station,
            equipped,
            row,
            told,
            _encode(public),
            _encode(staff),
            _encode(outside),
            _encode(inside),
            due_ms,
        )


def view_of(row: AvailabilityRow | None, open_codes: Iterable[str]) -> StationView:
    """What devices say of their station; open alerts may spoil some of it."""
    facts = row.facts if row else {}
    return StationView.from_facts_json({**facts, "alerts": [*(facts.get("alerts") or ()), *open_codes]})


def _all_since(conn: Connection, since: Callable[[Connection, int, int], list[T]], version: int) -> list[T]:
    """Every row after a version, however many the reader hands out at once."""
    found: list[T] = []
    while rows := since(conn, version, _BATCH):
        found += rows
        version = max(row.version for row in rows)
        if len(rows) < _BATCH:
            break
    return found


def _encode(body: object) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
