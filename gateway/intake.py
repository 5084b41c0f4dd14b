"""From one received message to what it changes: address, content, seen before, time, fold, rules."""

from __future__ import annotations

from collections.abc import Iterable

from devices.decode import Happening, Reading, decode_event, decode_link, decode_reply, decode_telemetry
from devices.fold import Changes, Fields, apply, same_until_ms
from devices.state import SELF, DeviceState
from domain import topics
from domain.clock_offset import least_offset, time_of
from domain.envelope import Envelope
from domain.errors import BadMessage
from domain.facts import Mark
from domain.ids import DeviceId
from gateway.again import said_again
from gateway.alerts import take_effects
from gateway.boots import Timed, boot_of, hear_link
from gateway.fleet import Fleet, Member
from gateway.overlay import Overlay, Same, Spoke
from gateway.refusal import refuse
from gateway.rulebooks import Rules
from rules.effects import Effect
from storage.events import EventRow
from storage.series_row import SeriesRow
from transport.inbox import Incoming

UNKNOWN = frozenset({"unknown_station", "unknown_device", "unknown_speaker"})
REPLAYED = -1
"""The generation of a message that comes from quarantine: it was seen before, and must be taken again."""


class Intake:
    """Takes messages into an overlay. Raises only for its own mistakes; a bad message is put aside."""

    def __init__(self, fleet: Fleet, rules: Rules) -> None:
        self.fleet = fleet
        self._rules = rules

    def take(self, overlay: Overlay, incoming: Incoming, caught_up: bool) -> bool:
        """Take one message in. Returns False when it was put aside as not understood."""
        route = self.fleet.routes.get(incoming.topic)
        if route is not None and said_again(overlay, incoming, route, caught_up):
            return True
        try:
            if route is not None:
                self._telemetry(overlay, incoming, route.member, caught_up)
            else:
                self._by_topic(overlay, incoming, topics.parse(incoming.topic), caught_up)
        except BadMessage as bad:
            overlay.strangers = overlay.strangers or bad.reason in UNKNOWN
            refuse(overlay, incoming, bad)
            return False
        return True

    def _by_topic(self, overlay: Overlay, incoming: Incoming, topic: topics.Topic, caught_up: bool) -> None:
        if topic.leaf == "telemetry":
            self._telemetry(overlay, incoming, self._member(topic), caught_up)
        elif topic.leaf == "event":
            self._event(overlay, incoming, self._member(topic), caught_up)
        elif topic.leaf == "reply":
            self._reply(overlay, incoming, self._member(topic), caught_up)
        elif topic.leaf == "link":
            self._link(overlay, incoming, self._speaker(topic))
        else:
            raise BadMessage("bad_topic", "topic.leaf", f"{topic.leaf} is not for the hub to take")

    def effects(self, overlay: Overlay, device: DeviceId, effects: Iterable[Effect]) -> None:
        """Take what rules decided about a device outside of a message."""
        record = self.fleet.stations.get(device.station)
        take_effects(overlay, device, effects, record.adcode if record else "")

    def _member(self, topic: topics.Topic) -> Member:
        member = self.fleet.members.get(topic.device)
        if member is None:
            device = topic.device
            if device.station not in self.fleet.stations:
                raise BadMessage("unknown_station", "topic.station", f"{device.station} is not registered")
            raise BadMessage(
                "unknown_device", "topic", f"{device.short} is not registered at {device.station}"
            )
        self._same_division(topic, member.adcode)
        return member

    def _speaker(self, topic: topics.Topic) -> DeviceId:
        speaker = self.fleet.speakers.get(topic.device)
        if speaker is None:
            raise BadMessage(
                "unknown_speaker", "topic", f"{topic.device.short} holds no credential of its own"
            )
        self._same_division(topic, speaker.adcode)
        return speaker.id

    @staticmethod
    def _same_division(topic: topics.Topic, adcode: str) -> None:
        if topic.adcode != adcode:
            raise BadMessage("wrong_division", "topic.adcode", f"{topic.device.station} belongs to {adcode}")

    def _telemetry(self, overlay: Overlay, incoming: Incoming, member: Member, caught_up: bool) -> None:
        reading: Reading = decode_telemetry(member.kind, incoming.payload)
        timed = self._place(overlay, incoming, member.speaker, reading.envelope, caught_up)
        if timed is None:
            return
        ts_ms, boot, seq, _ = reading.envelope
        device, speaker, at_ms = member.device, member.speaker, timed.at_ms
        fields, parts, extra = reading.fields, reading.parts, reading.extra
        row = SeriesRow(
            device, speaker, boot, seq, at_ms, ts_ms, incoming.received_ms, fields, parts, extra,
            incoming.topic, incoming.payload,
        )  # fmt: skip
        overlay.rows_of(member.kind.name).append(row)
        self._fold(overlay, incoming, member, reading, timed)

    def _fold(
        self, overlay: Overlay, incoming: Incoming, member: Member, reading: Reading, timed: Timed
    ) -> None:
        device = member.device
        known = self.fleet.states.get(device)
        if known is not None and not reading.parts:
            until_ms = self._same_until_ms(overlay, known, member, reading, timed)
            if until_ms:
                said = Same(device, known, reading.fields, timed.mark, until_ms, incoming.received_ms)
                overlay.same[id(known)] = said
                overlay.again += 1
                return
        state = overlay.state_for_change(device)
        state.seen_ms = incoming.received_ms
        changes = apply(member.kind, state, known, reading.fields, reading.parts, timed.mark)
        self._after_fold(overlay, member, changes, timed, reading.fields)

    @staticmethod
    def _same_until_ms(
        overlay: Overlay, known: DeviceState, member: Member, reading: Reading, timed: Timed
    ) -> int:
        """Not 0 when the message says again what is known, and nothing waits for the time to pass.

        Then only ages move, and those stand in the message's own row: `loading` reads them back.
        """
        if known.held_by == overlay.number or id(known) in overlay.same or known.watch:
            return 0
        if known.refresh_at_ms <= timed.at_ms:
            return 0
        return same_until_ms(member.kind.derived, known.own, reading.fields, timed.mark)

    def _event(self, overlay: Overlay, incoming: Incoming, member: Member, caught_up: bool) -> None:
        happening: Happening = decode_event(member.kind, incoming.payload)
        timed = self._place(overlay, incoming, member.speaker, happening.envelope, caught_up)
        if timed is None:
            return
        self._keep_event(
            overlay,
            incoming,
            member,
            happening.envelope,
            timed,
            happening.type,
            happening.part,
            happening.body,
        )
        device = member.device
        state = overlay.state_for_change(device)
        # What an event tells stands in no reading.
        overlay.overdue.add(device)
        state.seen_ms = incoming.received_ms
        origin = self.fleet.states.get(device)
        own, parts = (
            (happening.fields, {}) if happening.part == SELF else ({}, {happening.part: happening.fields})
        )
        changes = apply(member.kind, state, origin, own, parts, timed.mark)
        # The event first: its alert says what happened, the facts then only confirm it.
        watcher = self._rules.watcher
        effects = watcher.event(
            device, state, happening.type, happening.part, timed.at_ms, overlay.now_ms, happening.body
        )
        take_effects(overlay, device, effects, member.adcode)
        self._after_fold(overlay, member, changes, timed, own)
        overlay.spoke.append(Spoke(device, member.adcode, happening, timed.at_ms))

    def _reply(self, overlay: Overlay, incoming: Incoming, member: Member, caught_up: bool) -> None:
        answer = decode_reply(incoming.payload)
        timed = self._place(overlay, incoming, member.speaker, answer.envelope, caught_up)
        if timed is None:
            return
        # A nonce is worthless after five seconds, and nobody's business before.
        body = {name: value for name, value in answer.body.items() if name != "nonce"}
        type_ = f"reply.{answer.reply.state}"
        self._keep_event(overlay, incoming, member, answer.envelope, timed, type_, SELF, body)
        overlay.state_for_change(member.device).seen_ms = incoming.received_ms
        overlay.spoke.append(Spoke(member.device, member.adcode, answer, timed.at_ms))

    def _link(self, overlay: Overlay, incoming: Incoming, speaker: DeviceId) -> None:
        word = decode_link(incoming.payload)
        if hear_link(overlay, speaker, word, incoming.received_ms):
            overlay.stations.add(speaker.station)
        overlay.count("links")

    @staticmethod
    def _keep_event(
        overlay: Overlay,
        incoming: Incoming,
        member: Member,
        envelope: Envelope,
        timed: Timed,
        type_: str,
        part: int,
        body: dict[str, object],
    ) -> None:
        if boot_of_it := overlay.boot_for_change(member.speaker, envelope.boot):
            overlay.boot_rows[boot_of_it] = None
        overlay.events.append(
            EventRow(
                device=member.device,
                speaker=member.speaker,
                boot=envelope.boot,
                seq=envelope.seq,
                at_ms=timed.at_ms,
                device_ts_ms=envelope.ts_ms,
                received_ms=incoming.received_ms,
                type=type_,
                part=part,
                body=body,
            )
        )

    def _place(
        self, overlay: Overlay, incoming: Incoming, speaker: DeviceId, envelope: Envelope, caught_up: bool
    ) -> Timed | None:
        """Where the message stands in the speaker's sequence and in time; None if it was seen before."""
        boot = boot_of(overlay, speaker, envelope, incoming.received_ms)
        if speaker.station in self.fleet.watched:
            overlay.heard.add(speaker.station)
        received_ms, ts_ms, seq = incoming.received_ms, envelope.ts_ms, envelope.seq
        boot.heard.append(seq)
        if incoming.generation != REPLAYED:
            before = boot.watermark.upto
            if not boot.watermark.take(seq, envelope.low):
                overlay.count("duplicates")
                return None
            boot.seen_ms = received_ms
            if boot.watermark.ranges or boot.watermark.upto != before + 1:
                overlay.boot_rows[boot] = None
        if ts_ms is not None:
            boot.offset_ms = least_offset(boot.offset_ms, ts_ms, received_ms)
            if boot.newest_ts_ms is None or ts_ms > boot.newest_ts_ms:
                boot.newest_ts_ms = ts_ms
        at_ms, fault = time_of(ts_ms, received_ms, boot.offset_ms, caught_up)
        if fault != boot.clock_fault and (fault or (ts_ms is not None and caught_up)):
            self._note_clock(overlay, speaker, fault)
            boot.clock_fault = fault
        if received_ms - at_ms > self.fleet.late_ms:
            # A restart would not look for it among the newest readings.
            overlay.boot_rows[boot] = None
        return Timed(at_ms, Mark(boot.since_ms, seq, at_ms))

    @staticmethod
    def _note_clock(overlay: Overlay, speaker: DeviceId, fault: bool) -> None:
        known = overlay.states.get(speaker) or overlay.fleet.states.get(speaker)
        if (known.clock_fault if known is not None else False) != fault:
            overlay.state_for_change(speaker).clock_fault = fault
            overlay.stations.add(speaker.station)

    def _after_fold(
        self, overlay: Overlay, member: Member, changes: Changes, timed: Timed, own: Fields
    ) -> None:
        device = member.device
        now_ms = overlay.now_ms
        watcher = self._rules.watcher
        if changes.changed:
            overlay.count("changed")
            state, told_by = overlay.state(device), member.kind.told_by
            moved = told_by is None or any(not told_by.isdisjoint(names) for _, names in changes.changed)
            if moved or state.refresh_at_ms <= timed.at_ms:
                overlay.exports.add(device)
            codes = overlay.open_codes(device.station)
            further = False
            for part, names in changes.changed:
                effects = watcher.reading(device, state, part, names, now_ms, codes, further=further)
                further = True
                if effects:
                    take_effects(overlay, device, effects, member.adcode)
            overlay.look_again.add(device)
        else:
            state = overlay.state(device)
            if state.refresh_at_ms <= timed.at_ms:
                overlay.exports.add(device)
            if state.watch or state.clock_fault:
                # Nothing new, but a deadline may have come, or a silence ended.
                effects = watcher.reading(device, state, SELF, (), now_ms, overlay.open_codes(device.station))
                take_effects(overlay, device, effects, member.adcode)
                overlay.look_again.add(device)
        if changes.stale:
            state = overlay.state(device)
            for part, fields in changes.stale:
                # Heat in a slot and smoke in its cabinet, said together, are judged together.
                said = fields if part == SELF else {**own, **fields}
                effects = watcher.history_only(device, state, part, said, timed.at_ms, now_ms)
                take_effects(overlay, device, effects, member.adcode)
