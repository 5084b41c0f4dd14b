"""The one transaction of a batch: everything that was decided, or nothing of it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from sqlalchemy import Connection

from devices.state import SELF, Ages, DeviceState, News
from domain.errors import ShardLost
from domain.ids import SPEAKER_KIND, DeviceId, edge_box
from gateway.fleet import AlertKey, Fleet
from gateway.handshakes import AGAIN, Step
from gateway.intake import REPLAYED
from gateway.options import GatewayOptions
from gateway.overlay import Overlay
from gateway.rows import ending, new_alert, speaker_row
from gateway.station_view import codes_of, links_of, lockdown_of, shown_facts
from gateway.unwritten import WRITE_NUMBERS_AFTER_MS, WRITE_PARTS_AFTER_MS, Since
from gateway.wishes import WishKey, again_after_s
from rules.alert_life import every_word_counts
from rules.station_facts import half_life_ms
from storage import alerts, availability, commands, events, notices, quarantine, shards, states
from storage.commands import CommandRow, NewCommand
from storage.database import Database
from storage.inflow import Inflow
from storage.states import AgesRow, StateRow
from storage.store import store_id
from storage.versions import STATIONS, last_version
from transport.inbox import Incoming

BEAT_EVERY_MS = 1_000


@dataclass(frozen=True, slots=True)
class Work:
    """What belongs to command rows in a batch: steps, new rows, and whether to claim what waits."""

    steps: list[Step]
    wishes: list[tuple[WishKey, NewCommand]]
    claims: bool


@dataclass(slots=True)
class Committed:
    """What the transaction found: which steps counted, and which commands are ours now."""

    steps: list[tuple[Step, bool]] = field(default_factory=list)
    claimed: list[CommandRow] = field(default_factory=list)
    adcodes: set[str] = field(default_factory=set)
    position: int = 0
    """The newest reading that is kept."""
    states: set[DeviceId] = field(default_factory=set)
    """Whose state was written."""
    waiting: set[DeviceId] = field(default_factory=set)
    """Whose state has news and was written a moment ago."""
    moving: set[DeviceId] = field(default_factory=set)
    """In whose state nothing but numbers is news."""


class Committer:
    """Writes for one shard, as long as this process is the one that owns it."""

    def __init__(self, database: Database, series: Inflow, fleet: Fleet, options: GatewayOptions) -> None:
        self._database = database
        self._series = series
        self._fleet = fleet
        self._options = options
        self._beat_ms = 0
        self._position = 0
        self.epoch = -1
        self.store = ""

    def take_shard(self, now_ms: int) -> None:
        """Become the one who may commit; whoever was it before finds out with its next transaction."""
        with self._database.write() as connection:
            self.epoch = shards.take(connection, self._options.shard, self._options.holder, now_ms)
            self.store = store_id(connection)
            self._position = self._series.position(connection)

    def still_mine(self) -> None:
        """Raise ShardLost when another process has taken over."""
        with self._database.read() as connection:
            found = shards.holder(connection, self._options.shard)
        if found.epoch != self.epoch:
            raise ShardLost(
                f"Shard {self._options.shard} belongs to {found.holder} now: this process must end."
            )

    def commit(self, overlay: Overlay, work: Work, lanes_since: tuple[int | None, int | None]) -> Committed:
        """Write the batch. Nothing to write and no sign of life due: no transaction."""
        committed = Committed(position=self._position)
        beat = not 0 <= overlay.now_ms - self._beat_ms < BEAT_EVERY_MS
        if not (beat or work.claims or work.steps or work.wishes or overlay.touched):
            return committed
        with self._database.write() as connection:
            shards.check(connection, self._options.shard, self.epoch)
            if overlay.touched:
                committed.states = set(overlay.states)
                if self._options.keeps:
                    self._messages(connection, overlay)
                    self._states(connection, overlay, committed)
                self._alerts(connection, overlay)
                self._stations(connection, overlay, committed)
            committed.position = self._series.position(connection) if overlay.series else self._position
            self._commands(connection, work, overlay.now_ms, committed)
            for replay, understood in overlay.replays:
                result = "understood" if understood else "refused again, see its reason"
                quarantine.finish_replay(connection, replay, result, overlay.now_ms, understood=understood)
            if beat:
                self._series.cover(connection, self._fleet.unwritten.covered(self._position))
                shards.beat(
                    connection, self._options.shard, self.epoch, os.getpid(), overlay.now_ms, *lanes_since
                )
        if beat:
            self._beat_ms = overlay.now_ms
        return committed

    def adopt(self, overlay: Overlay, committed: Committed) -> None:
        """The batch is committed: what was decided on copies becomes what is known."""
        fleet = self._fleet
        unwritten = fleet.unwritten
        ages = unwritten.ages
        unwritten.written(overlay.boot_rows, overlay.age_rows, committed.states)
        since = Since(overlay.now_ms, self._position)
        for device, state in overlay.states.items():
            known = fleet.states.get(device)
            if known is None:
                known = fleet.states[device] = state
            else:
                known.become(state)
            self._note(known, device, since, written=device in committed.states)
            if device.kind == SPEAKER_KIND:
                watched = every_word_counts(state.watch)
                (fleet.watched.add if watched else fleet.watched.discard)(device.station)
        for device in committed.waiting:
            unwritten.parts.setdefault(device, since)
        for device in committed.moving:
            unwritten.numbers.setdefault(device, since)
        for device, known, fields, mark, until_ms, seen_ms in overlay.same.values():
            known.parts[SELF].repeat(fields, mark, until_ms)
            known.seen_ms = seen_ms
            if device.station not in ages:
                ages[device.station] = since
        for id_, speaker in overlay.speakers.items():
            fleet.speakers[id_].become(speaker)
        for boot in overlay.boots:
            boot.keep_change()
            if boot.written and boot not in overlay.boot_rows:
                boot.written = False
                unwritten.boots[boot] = since
        self._position = committed.position
        for ended in overlay.ended:
            fleet.note_resolved(ended.key)
        for key in overlay.forgotten:
            fleet.note_resolved(key)
        for key, opened in overlay.opened.items():
            fleet.note_opened(key, overlay.note_of(opened))
        for opened in overlay.repeated:
            key = AlertKey(opened.effect.device, opened.effect.part, opened.effect.code)
            note = fleet.open_alerts.get(key)
            if note is not None and opened.effect.refuse_entry and not note.refuse_entry:
                fleet.note_opened(key, note._replace(refuse_entry=True))
        for station, facts in overlay.facts.items():
            fleet.stations[station].facts = facts
        for device in overlay.exports:
            known = fleet.states.get(device)
            if known is not None:
                known.refresh_at_ms = half_life_ms(fleet.stations[device.station].facts.get(device.short, {}))

    def replays(self) -> list[tuple[int, Incoming]]:
        """Quarantined messages that somebody wants to be taken again."""
        with self._database.read() as connection:
            return [
                (id_, Incoming(REPLAYED, 0, message.topic, message.payload, message.first_ms))
                for id_, message in quarantine.next_replays(connection)
            ]

    def resets(self) -> list[AlertKey]:
        """Alerts that are open in memory and that a person has ended in the database."""
        if not self._fleet.open_alerts:
            return []
        with self._database.read() as connection:
            still_open = alerts.open_ids(connection)
        return [key for key, note in self._fleet.open_alerts.items() if note.id not in still_open]

    def registry_changed(self) -> bool:
        """True when stations or devices were added, changed or removed."""
        with self._database.read() as connection:
            return last_version(connection, STATIONS) != self._fleet.registry_version

    def _messages(self, connection: Connection, overlay: Overlay) -> None:
        for kind, rows in overlay.series.items():
            self._series.append(connection, kind, rows)
        events.append_many(connection, overlay.events)
        quarantine.put_many(connection, overlay.quarantine)

    def _states(self, connection: Connection, overlay: Overlay, committed: Committed) -> None:
        rows = [
            StateRow(device, state.to_json(), state.seen_ms)
            for device, state in overlay.states.items()
            if self._is_due(overlay, device, state, committed)
        ]
        states.upsert_states(connection, rows)
        committed.states = {row.device for row in rows}
        states.upsert_ages(connection, [self._ages(overlay, id_, committed) for id_ in overlay.age_rows])
        states.upsert_boots(
            connection,
            [
                states.BootRow(
                    b.speaker.id, b.name, b.since_ms, b.newest_ts_ms, b.offset_ms, b.watermark, b.seen_ms
                )
                for b in overlay.boot_rows
            ],
        )
        states.upsert_speakers(connection, [speaker_row(overlay, id_) for id_ in overlay.speaker_rows])

    def _is_due(self, overlay: Overlay, device: DeviceId, state: DeviceState, committed: Committed) -> bool:
        """True when the state's row must be written now; what only readings tell may wait for a while."""
        known = self._fleet.states.get(device)
        if known is None or device in overlay.overdue or state.watch != known.watch:
            return True
        if known.seen_ms is None and state.seen_ms is not None:
            # Ages stand beside a row: the first word of a device makes one, even if it tells nothing.
            return True
        news = state.news_since(known)
        if news is News.NOTHING:
            return False
        if len(state.parts) == 1 or not self._series.in_order or state.clock_fault != known.clock_fault:
            return True
        after_ms, waiting = WRITE_PARTS_AFTER_MS, committed.waiting
        if news is News.NUMBERS:
            after_ms, waiting = WRITE_NUMBERS_AFTER_MS, committed.moving
        if not 0 <= overlay.now_ms - known.written_ms < after_ms:
            return True
        waiting.add(device)
        return False

    def _ages(self, overlay: Overlay, station: str, committed: Committed) -> AgesRow:
        """A state that waits for its values is not made younger than they are."""
        record = self._fleet.stations.get(station)
        ages: dict[str, Ages] = {}
        for device in (edge_box(station), *(one.device for one in (record.members if record else ()))):
            state = overlay.states.get(device) or self._fleet.states.get(device)
            waits = device in committed.waiting or device in committed.moving
            waits = waits or self._fleet.unwritten.waits(device)
            if state is not None and (not waits or device in committed.states):
                ages[device.short] = state.ages()
        return AgesRow(station, ages, overlay.now_ms)

    def _note(self, known: DeviceState, device: DeviceId, since: Since, *, written: bool) -> None:
        if written:
            known.written_ms = since.at_ms
        else:
            self._fleet.unwritten.ages.setdefault(device.station, since)

    def _alerts(self, connection: Connection, overlay: Overlay) -> None:
        # In the order of life: what was open ends, an episode may begin and end here, then what is open now.
        short = [opened for opened, _ in overlay.short_lived]
        short_ends = [end for _, end in overlay.short_lived]
        alerts.resolve_many(connection, [ending(end) for end in overlay.ended])
        for opened, end in overlay.short_lived:
            alerts.open_many(connection, [new_alert(overlay, opened)])
            alerts.resolve_many(connection, [ending(end)])
        fresh = list(overlay.opened.values())
        alerts.open_many(connection, [new_alert(overlay, opened) for opened in (*fresh, *overlay.repeated)])
        for channel in self._options.channels:
            for opened in (*short, *fresh):
                if opened.effect.code in self._fleet.log_only:
                    continue
                notices.create(connection, opened.id, "opened", channel, overlay.now_ms)
            for end in (*overlay.ended, *short_ends):
                if end.key.code in self._fleet.log_only:
                    continue
                notices.create(connection, end.note.id, "resolved", channel, overlay.now_ms)

    def _stations(self, connection: Connection, overlay: Overlay, committed: Committed) -> None:
        rows = []
        for station in overlay.news:
            record = self._fleet.stations[station]
            body = {
                "devices": shown_facts(record, overlay.facts.get(station, record.facts)),
                "lockdown": lockdown_of(overlay, self._fleet, station),
                "link": links_of(overlay, record),
                "alerts": codes_of(overlay, self._fleet, station),
            }
            rows.append(availability.AvailabilityRow(station, record.adcode, body, overlay.now_ms))
            committed.adcodes.add(record.adcode)
        availability.upsert_many(connection, rows)

    def _commands(self, connection: Connection, work: Work, now_ms: int, committed: Committed) -> None:
        for step in work.steps:
            if step.to_state == AGAIN:
                row = commands.by_id(connection, step.id)
                next_ms = now_ms + round(1000 * again_after_s(row.attempt if row else 1))
                counted = commands.again(connection, step.id, next_ms, now_ms, step.reason)
            else:
                counted = commands.step(
                    connection, step.id, step.from_states, step.to_state, now_ms, step.reason
                )
            committed.steps.append((step, counted))
        commands.create_many(connection, (new for _, new in work.wishes))
        if work.claims:
            committed.claimed = commands.claim_created(connection, self.epoch, Database.now_ms(connection))
