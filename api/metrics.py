"""What Prometheus reads: requests by route, live clients, and what the database says of the hub."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final, get_args

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.state import ApiState
from domain.clock import Clock
from domain.errors import StorageUnavailable
from storage import notices, sending, shards
from storage.alerts import Severity
from storage.tables import access, alert, command, event, quarantine, speaker, station

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_log = logging.getLogger(__name__)


class Metrics:
    """One registry of its own, so that two applications in one process do not meet."""

    def __init__(self, state: ApiState) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "waystation_http_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "waystation_http_request_seconds",
            "Time from a request to the beginning of its answer.",
            ["method", "route"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.registry.register(_Hub(state))

    def text(self) -> bytes:
        """Everything, in Prometheus' text format; reads the database, so call it in a thread."""
        return generate_latest(self.registry)


class CountRequests:
    """Counts each request under the template of its route, never under its address."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, clock: Clock) -> None:
        self._app = app
        self._metrics = metrics
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun_s = self._clock.monotonic_s()
        counted = False

        async def send_and_count(message: Message) -> None:
            nonlocal counted
            if message["type"] == "http.response.start" and not counted:
                counted = True
                route = getattr(scope.get("route"), "path", "other")
                method = scope["method"] if scope["method"] in _METHODS else "other"
                self._metrics.requests.labels(method, route, str(message["status"])).inc()
                self._metrics.seconds.labels(method, route).observe(self._clock.monotonic_s() - begun_s)
            await send(message)

        await self._app(scope, receive, send_and_count)


_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class _Hub(Collector):
    """Read when asked for; the whole hub's state, so the same from every API process but the clients."""

    def __init__(self, state: ApiState) -> None:
        self._state = state

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing is read at registration."""
        return []

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """One family after the other."""
        yield _gauge("waystation_live_clients", "Live pages open at this process.", self._state.feed.clients)
        try:
            yield from self._from_database()
        except StorageUnavailable:
            yield _gauge("waystation_database_up", "1 when the database answers.", 0)

    def _from_database(self) -> Iterable[GaugeMetricFamily]:
        state = self._state
        with state.db.read() as conn:
            now_ms = state.db.now_ms(conn)
            worker = shards.worker(conn, state.options.shard)
            open_by_severity = conn.execute(
                sa.select(alert.c.severity, sa.func.count())
                .where(alert.c.resolved_ms.is_(None))
                .group_by(alert.c.severity)
            ).all()
            kept = conn.execute(
                sa.select(quarantine.c.state, sa.func.count(), sa.func.sum(quarantine.c.count)).group_by(
                    quarantine.c.state
                )
            ).all()
            told, untold_ms = notices.counts(conn), notices.oldest_ms(conn)
            unlocks = conn.execute(
                sa.select(command.c.state, sa.func.count())
                .where(command.c.action == "unlock")
                .group_by(command.c.state)
            ).all()
            stations = conn.scalar(sa.select(sa.func.count()).select_from(station)) or 0
            last_event = conn.scalar(sa.select(sa.func.max(event.c.id))) or 0
            readings = sending.sending(conn)
            links = conn.execute(sa.select(speaker.c.link, sa.func.count()).group_by(speaker.c.link)).all()
            asked = conn.execute(sa.select(access.c.reason, sa.func.count()).group_by(access.c.reason)).all()
        yield _gauge("waystation_database_up", "1 when the database answers.", 1)
        yield _gauge("waystation_stations", "Stations of the ledger.", stations)
        yield _gauge("waystation_events_kept", "Number of the newest event row.", last_event)
        yield _by("waystation_speakers", "Edge boxes and devices.", "link", {row[0]: row[1] for row in links})
        if worker is not None:
            age_s = (now_ms - worker.seen_ms) / 1000
            yield _gauge("waystation_gateway_age_seconds", "Since the gateway's last sign of life.", age_s)
            yield _gauge("waystation_gateway_epoch", "Epoch of the gateway's shard.", worker.epoch)
            lanes = {"quick": worker.quick_since_ms, "bulk": worker.bulk_since_ms}
            caught_up = GaugeMetricFamily(
                "waystation_lane_caught_up", "1 when no backlog waits.", labels=["lane"]
            )
            for lane, since_ms in lanes.items():
                caught_up.add_metric([lane], 0 if since_ms is None else 1)
            yield caught_up
        # None is a number, too: a line that only ends when the last alert does would look like a gap.
        open_now = dict.fromkeys(get_args(Severity), 0) | {row[0]: row[1] for row in open_by_severity}
        yield _by("waystation_alerts_open", "Open alerts.", "severity", open_now)
        yield _by("waystation_quarantine_rows", "Kept messages.", "state", {row[0]: row[1] for row in kept})
        yield _by(
            "waystation_quarantine_messages",
            "Messages behind them.",
            "state",
            {row[0]: row[2] for row in kept},
        )
        yield _by("waystation_notices", "Notices to people.", "state", told)
        untold_s = 0.0 if untold_ms is None else max(0, now_ms - untold_ms) / 1000
        yield _gauge("waystation_notices_oldest_seconds", "Since the oldest that has not arrived.", untold_s)
        if readings is not None:
            yield from _sending(readings, now_ms, self._state.options.outbox_max_bytes)
        yield _by("waystation_unlocks", "Unlock commands.", "state", {row[0]: row[1] for row in unlocks})
        yield _by("waystation_door_requests", "Asked to open.", "reason", {row[0]: row[1] for row in asked})


def _sending(found: sending.Sending, now_ms: int, bound: int) -> Iterable[GaugeMetricFamily]:
    """How readings get to InfluxDB; without it there is nothing to say."""
    states = {word: int(word == found.state) for word in get_args(sending.State)}
    oldest_s = 0.0 if found.oldest_ms is None else max(0, now_ms - found.oldest_ms) / 1000
    yield _by("waystation_series_sender", "1 for what the sender does.", "state", states)
    yield _gauge("waystation_series_waiting", "Readings that wait for InfluxDB.", found.waiting)
    yield _gauge("waystation_series_waiting_bytes", "About what they take.", found.waiting_bytes)
    yield _gauge("waystation_series_bound_bytes", "What they may take; beyond it: hours only.", bound)
    yield _gauge("waystation_series_oldest_seconds", "Since the oldest of them came.", oldest_s)
    yield _gauge("waystation_series_sent", "Readings sent since the beginning.", found.messages)
    yield _gauge("waystation_series_points", "Points sent since the beginning.", found.points)
    yield _gauge("waystation_series_refused", "Readings that InfluxDB refused.", found.parked)
    yield _gauge("waystation_series_too_old", "Readings that came too late: hours only.", found.too_old)
    yield _gauge("waystation_series_rolled_up", "Readings without room: hours only.", found.rolled_up)


def _gauge(name: str, about: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, about, value=value)


def _by(name: str, about: str, label: str, values: dict[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, about, labels=[label])
    for word, value in sorted(values.items()):
        family.add_metric([word], value)
    return family
