"""The gateway's loop: take what came, decide on a copy, commit, and only then say so."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from threading import Event

from domain import topics
from domain.clock import Clock
from domain.errors import ShardLost, StorageUnavailable
from gateway.acks import acks_for
from gateway.commit import Committer
from gateway.desk import Desk
from gateway.errands import find_errands, forget_reset_alerts
from gateway.fleet import Fleet
from gateway.health import Health
from gateway.intake import Intake
from gateway.interpreter import settle, tidy_up
from gateway.loading import load_fleet
from gateway.markers import MARKER_TOPICS, Markers
from gateway.options import GatewayOptions
from gateway.overlay import Overlay
from gateway.patience import Patience
from gateway.refusal import set_culprit_aside
from gateway.rounds import Rounds
from gateway.rulebooks import Rules
from gateway.station_view import refresh
from signing.keys import SigningKey
from storage import shards
from storage.database import Database
from storage.inflow import Inflow
from transport.hub import HubLink, LaneName
from transport.inbox import Incoming

logger = logging.getLogger(__name__)

MAX_BULK = 1_000
MAX_BULK_WHILE_URGENT = 100
IDLE_S = 0.25
NEVER_LATE_MS = 2**62
LANES: tuple[LaneName, LaneName] = ("quick", "bulk")
COMMAND_HINT = "hub/command/"


class Gateway:
    """One shard's gateway. `run` returns when stopped, and raises ShardLost when another has taken over."""

    def __init__(
        self,
        database: Database,
        series: Inflow,
        hub: HubLink,
        signer: SigningKey,
        clock: Clock,
        options: GatewayOptions | None = None,
    ) -> None:
        self._options = options or GatewayOptions()
        self._database = database
        self._series = series
        self._hub = hub
        self._clock = clock
        self._stop = Event()
        self._markers = Markers(secrets.token_hex(8))
        self._fleet = Fleet(timetables=self._options.timetables)
        if series.in_order:
            self._fleet.late_ms = NEVER_LATE_MS
        self._rules = Rules(database, self._fleet.names)
        self._committer = Committer(database, series, self._fleet, self._options)
        self._desk = Desk(database, hub, signer, self._committer, clock, self._options.look_around_s)
        self._intake = Intake(self._fleet, self._rules)
        self._rounds = Rounds(self._fleet, self._rules, self._intake, self._markers, clock)
        self.health = Health(clock, hub)
        self._patiently = Patience(self._stop, self.health)

    def stop(self) -> None:
        """End after the batch in hand; callable from any thread and from a signal handler."""
        self._stop.set()
        self._hub.wake()

    def run(self) -> None:
        """Take the shard, load what is known, connect, and work until stopped."""
        self.begin()
        try:
            while not self._stop.is_set():
                self.turn()
        finally:
            self.end()

    def begin(self) -> None:
        """Everything before the first turn."""
        self._patiently(self._take_shard)
        self._patiently(self._rules.load)
        self._patiently(self._load_fleet)
        self._patiently(lambda: self._desk.recover(self._fleet))
        self._commit(self._rounds.meet_rules(), ())
        settle()
        self._hub.may_connect = self._owns_the_shard
        self._hub.start()
        self.health.listens = True
        logger.info(
            "The gateway watches %d stations with %d devices",
            len(self._fleet.stations),
            len(self._fleet.members),
            extra={"action": "gateway_started", "epoch": self._committer.epoch},
        )

    def _load_fleet(self) -> None:
        load_fleet(self._database, self._series, self._fleet, self._clock.now_ms())

    def _take_shard(self) -> None:
        try:
            self._committer.take_shard(self._clock.now_ms())
        except StorageUnavailable:
            # A frozen process inside a transaction keeps the shard; whoever waits must know whom to look for.
            with self._database.read() as connection:
                held = shards.holder(connection, self._options.shard)
            logger.warning(
                "The shard cannot be taken from %s yet; this gateway waits until that one ends",
                held.holder or "whoever writes at the moment",
                extra={"action": "shard_held", "shard": self._options.shard},
            )
            raise

    def _owns_the_shard(self) -> bool:
        """Asked before each connection: who lost its shard must not take its successor's session."""
        try:
            self._committer.still_mine()
        except ShardLost:
            self._hub.wake()
            return False
        except StorageUnavailable:
            return True
        return True

    def end(self) -> None:
        """Leave the broker; the sessions stay."""
        self._hub.stop()

    def waiting_at(self, station: str) -> set[str]:
        """Kinds of which a rule waits there for something to last, or to end."""
        return self._rounds.waiting_at(station)

    def turn(self) -> None:
        """One batch: all of quick, up to 1,000 of bulk, what is due, and the commands under way."""
        urgent = self._desk.urgent
        at_most = MAX_BULK_WHILE_URGENT if urgent else MAX_BULK
        batch = self._hub.take(at_most, self._patience_s(), urgent=urgent)
        self.health.turned(len(batch.quick) + len(batch.bulk))
        quick, bulk = self._sort_out("quick", batch.quick), self._sort_out("bulk", batch.bulk)
        if self._desk.looks_due():
            self._run_errands()
        if bulk and (self._desk.claims_due or (quick and self._desk.urgent)):
            # Who waits at a door does not wait for the rest of the batch.
            self._work(quick, (), due=False)
            self._desk.send()
            quick = []
        self._work(quick, bulk, due=True)
        self._desk.send()
        self._send_markers()
        if batch.quick or batch.bulk:
            tidy_up()

    def _run_errands(self) -> None:
        errands = find_errands(self._committer, self._rules)
        if errands.rulebook:
            self._patiently(self._rules.load)
        if errands.registry:
            self._meet_registry()
        elif errands.rulebook:
            self._commit(self._rounds.meet_rules(), ())
        if errands.resets:
            overlay = forget_reset_alerts(errands.resets, self._fleet, self._intake, self._rules, self._clock)
            self._commit(overlay, ())
        for replay_id, message in errands.replays:
            self._replay(replay_id, message)

    def _meet_registry(self) -> None:
        self._patiently(self._load_fleet)
        self._commit(self._rounds.meet_rules(), ())

    def _replay(self, id_: int, message: Incoming) -> None:
        """Take a quarantined message again; one that still cannot be kept stays where it is."""
        overlay = Overlay(self._fleet, self._clock.now_ms())
        try:
            overlay.replays.append((id_, self._intake.take(overlay, message, True)))
            self._commit(overlay, ())
        except (ShardLost, StorageUnavailable):
            raise
        except Exception as exc:
            overlay.undo()
            logger.error("A replayed message cannot be kept: %s", exc, extra={"action": "replay_failed"})
            overlay = Overlay(self._fleet, self._clock.now_ms())
            overlay.replays.append((id_, False))
            self._commit(overlay, ())

    def _work(self, quick: Sequence[Incoming], bulk: Sequence[Incoming], *, due: bool) -> None:
        """Decide and commit; when one of the messages cannot be kept, halve until it is found."""
        overlay = Overlay(self._fleet, self._clock.now_ms())
        messages = (*quick, *bulk)
        try:
            self._take(overlay, quick, bulk)
            if overlay.strangers and self._patiently(self._committer.registry_changed):
                # A device that was registered a moment ago is no stranger.
                overlay.undo()
                self._meet_registry()
                overlay = Overlay(self._fleet, self._clock.now_ms())
                self._take(overlay, quick, bulk)
            if due:
                self._rounds.look(overlay)
            self._commit(overlay, messages)
        except (ShardLost, StorageUnavailable):
            raise
        except Exception as exc:
            overlay.undo()
            if not messages:
                raise
            self._rounds.look_anew(overlay)
            if len(messages) == 1:
                self._set_culprit_aside(messages[0], exc)
                return
            logger.warning(
                "A batch of %d messages could not be kept (%s); looking for the one",
                len(messages),
                type(exc).__name__,
                extra={"action": "batch_halved"},
            )
            if quick and bulk:
                self._work(quick, (), due=False)
                self._work((), bulk, due=False)
            else:
                half = len(messages) // 2
                for part in (messages[:half], messages[half:]):
                    self._work(part if quick else (), () if quick else part, due=False)

    def _take(self, overlay: Overlay, quick: Sequence[Incoming], bulk: Sequence[Incoming]) -> None:
        overlay.caught_up = self._caught_up(overlay.now_ms)
        for lane, arrived in (("quick", quick), ("bulk", bulk)):
            caught_up = self._markers.caught_up(lane, overlay.now_ms)
            for message in arrived:
                self._intake.take(overlay, message, caught_up)

    def _set_culprit_aside(self, message: Incoming, exc: Exception) -> None:
        logger.error(
            "A message could not be kept and is quarantined: %s",
            exc,
            extra={"action": "culprit"},
            exc_info=exc,
        )
        overlay = Overlay(self._fleet, self._clock.now_ms())
        set_culprit_aside(overlay, message, f"{type(exc).__name__}: {exc}"[:300])
        self._commit(overlay, (message,))

    def _commit(self, overlay: Overlay, messages: Sequence[Incoming]) -> None:
        """Write, and only then: memory, PUBACKs, the hub's own acks, hints, commands."""
        overlay.caught_up = self._caught_up(overlay.now_ms)
        refresh(overlay, self._fleet, self._rules.watcher)
        work = self._desk.work(overlay)
        committed = self._patiently(lambda: self._committer.commit(overlay, work, self._lanes_since()))
        self._committer.adopt(overlay, committed)
        self._rounds.schedule(overlay.look_again, overlay.wakes)
        self._acknowledge(overlay, messages)
        self._desk.after_commit(work, committed)
        self._hint(committed.adcodes)
        self.health.committed(overlay.counts)

    def _caught_up(self, now_ms: int) -> bool:
        return all(self._markers.caught_up(lane, now_ms) for lane in LANES)

    def _hint(self, adcodes: set[str]) -> None:
        for adcode in adcodes:
            self._hub.publish(topics.change_hint(adcode), b'{"changed":true}')

    def _acknowledge(self, overlay: Overlay, messages: Sequence[Incoming]) -> None:
        acks = acks_for(overlay, self._committer.store)
        overlay.count("acks", len(acks))
        overlay.count("same", overlay.again)
        lanes: dict[LaneName, list[tuple[int, int]]] = {"quick": [], "bulk": []}
        for message in messages:
            lanes["bulk" if "/bulk/" in message.topic else "quick"].append((message.generation, message.mid))
        # All acks leave on one connection; a big batch is bulk's, and must not stand before a door's.
        lane: LaneName = "bulk" if lanes["bulk"] else "quick"
        for name in LANES:
            publishes = acks if name == lane else ()
            if lanes[name] or publishes:
                self._hub.acknowledge(name, lanes[name], publishes)

    def _sort_out(self, lane: LaneName, messages: Sequence[Incoming]) -> list[Incoming]:
        """Device messages; hints and markers are taken care of here."""
        marker = MARKER_TOPICS[lane]
        kept, rest = [], []
        for message in messages:
            if message.topic == marker:
                self._markers.came_back(lane, message.payload, self._clock.now_ms())
                rest.append((message.generation, message.mid))
            elif message.topic.startswith(COMMAND_HINT):
                self._desk.look_soon(for_command=b'"command"' in message.payload)
            else:
                kept.append(message)
        if rest:
            self._hub.acknowledge(lane, rest, ())
        return kept

    def _send_markers(self) -> None:
        status = self._hub.status()
        now_ms = self._clock.now_ms()
        for lane in LANES:
            if status.lanes[lane].ready:
                payload = self._markers.due(lane, status.lanes[lane].generation, now_ms)
                if payload is not None:
                    self._hub.publish_confirmed(lane, MARKER_TOPICS[lane], payload)
            else:
                self._markers.lost(lane)

    def _lanes_since(self) -> tuple[int | None, int | None]:
        now_ms = self._clock.now_ms()
        return self._markers.since_ms("quick", now_ms), self._markers.since_ms("bulk", now_ms)

    def _patience_s(self) -> float:
        """How long to wait for a message before something else is due."""
        waits = [IDLE_S, self._desk.wait_s()]
        due_s = self._rounds.wait_s()
        return max(0.0, min(waits if due_s is None else [*waits, due_s]))
