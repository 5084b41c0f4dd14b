"""Looking at devices because time has passed: `for`, silence, and after a change of the rulebook."""

from __future__ import annotations

from collections.abc import Mapping

from devices.state import DeviceState
from domain.clock import Clock
from domain.ids import SPEAKER_KIND, DeviceId, edge_box
from gateway.deadlines import Deadlines
from gateway.fleet import Fleet
from gateway.intake import Intake
from gateway.markers import Markers
from gateway.overlay import Overlay
from gateway.rulebooks import Rules
from gateway.station_view import station_rules
from rules.alert_life import UNSURE

MAX_DUE = 500
SOONEST_MS = 200
TOGETHER_MS = 50
"""What falls due within so long after a look waits for the next one: a turn for each would cost more."""
FIRST_LOOK_MS = 10_000
FOREVER_MS = 2**62
SPREAD, SPREAD_MS = 600, 100
"""After a start, stations are looked at over this many moments, so far apart."""


class Rounds:
    """Knows when each device must be looked at next; what it finds goes into the batch's overlay."""

    def __init__(self, fleet: Fleet, rules: Rules, intake: Intake, markers: Markers, clock: Clock) -> None:
        self._fleet = fleet
        self._rules = rules
        self._intake = intake
        self._markers = markers
        self._clock = clock
        self._deadlines = Deadlines()
        self._again_ms = 0
        self._wakes: dict[DeviceId, int] = {}

    def wait_s(self) -> float | None:
        """How long no device needs a look; None when none ever will."""
        due_ms = self._deadlines.next_ms()
        return None if due_ms is None else (max(due_ms, self._again_ms) - self._clock.now_ms()) / 1000

    def waiting_at(self, station: str) -> set[str]:
        """Kinds of a station, and `station`, of which a rule waits for something to last, or to end."""
        record = self._fleet.stations[station]
        return {
            device.kind
            for device in (edge_box(station), *(member.device for member in record.members))
            if (state := self._fleet.states.get(device)) is not None
            and any(entry["s"] != UNSURE for entry in state.watch.values())
        }

    def look(self, overlay: Overlay) -> None:
        """Take up what is due, some hundred devices at once."""
        now_ms = overlay.now_ms
        self._again_ms = now_ms + TOGETHER_MS
        unwritten = self._fleet.unwritten
        for boot in unwritten.due_boots(now_ms):
            overlay.boot_rows[boot] = None
        overlay.age_rows.update(unwritten.due_ages(now_ms))
        for device in unwritten.due_parts(now_ms):
            overlay.state_for_change(device)
            overlay.overdue.add(device)
        for device in self._deadlines.take_due(now_ms, MAX_DUE):
            if self._rests(overlay, device):
                continue
            overlay.look_again.add(device)
            self._wakes.pop(device, None)
            if device not in self._fleet.members and device.kind != SPEAKER_KIND:
                continue
            state = overlay.state_for_change(device)
            if device in self._fleet.speakers:
                state.seen_ms = self._fleet.speakers[device].seen_ms
            record = self._fleet.stations.get(device.station)
            if device.kind == SPEAKER_KIND and record is not None:
                # A deadline is met with what is true now, not with what was last told.
                station_rules(overlay, self._fleet, self._rules.watcher, record)
            effects = self._rules.watcher.due(
                device,
                state,
                now_ms,
                heard_ms=self._heard_ms(device),
                floor_ms=self._floor_ms(now_ms),
                open_codes=overlay.open_codes(device.station),
            )
            self._intake.effects(overlay, device, effects)

    def _rests(self, overlay: Overlay, device: DeviceId) -> bool:
        """True when the deadline is met and moved on: nothing is under way, and whoever should have been
        heard since it was set, was. Nearly always it is so, for a silence that did not come about.
        """
        state = self._fleet.states.get(device)
        if state is None or state.watch or device in overlay.states:
            return False
        seen_ms, wake_ms = state.seen_ms, FOREVER_MS
        if device.kind == SPEAKER_KIND:
            record = self._fleet.stations.get(device.station)
            if record is None or record.shares_roles:
                return False
            seen_ms, wake_ms = self._fleet.speakers[device].seen_ms, self._wakes.get(device, FOREVER_MS)
        elif device not in self._fleet.members:
            return False
        floor_ms = self._floor_ms(overlay.now_ms)
        due_ms = self._rules.watcher.due_at(
            device, state, heard_ms=self._heard_ms(device), floor_ms=floor_ms, seen_ms=seen_ms
        )
        if due_ms is None or min(due_ms, wake_ms) <= overlay.now_ms:
            return False
        self._deadlines.sooner(device, min(due_ms, wake_ms))
        return True

    def look_anew(self, overlay: Overlay) -> None:
        """The batch was given up, and with it what was seen of these devices."""
        self.schedule(overlay.look_again, dict.fromkeys(overlay.look_again, overlay.now_ms))

    def schedule(self, devices: set[DeviceId], wakes: Mapping[DeviceId, int]) -> None:
        """Set the next deadline of devices whose batch is committed."""
        now_ms = self._clock.now_ms()
        self._wakes.update(wakes)
        for device, wake_ms in wakes.items():
            self._deadlines.sooner(device, max(wake_ms, now_ms + SOONEST_MS))
        for device in devices:
            state = self._fleet.states.get(device)
            if state is None:
                continue
            due_ms = self._rules.watcher.due_at(
                device, state, heard_ms=self._heard_ms(device), floor_ms=self._floor_ms(now_ms)
            )
            if due_ms is not None:
                # A deadline that has passed but cannot be met yet must not spin.
                self._deadlines.sooner(device, max(due_ms, now_ms + SOONEST_MS))

    def meet_rules(self) -> Overlay:
        """Every state meets the rulebook: alerts whose rule is gone end, deadlines are set anew."""
        overlay = Overlay(self._fleet, self._clock.now_ms())
        overlay.stations.update(self._fleet.outdated)
        self._fleet.outdated.clear()
        rules = self._rules.watcher.rulebook.rules
        self._fleet.log_only = frozenset(rule.code for rule in rules if rule.log_only)
        for at, (station, record) in enumerate(self._fleet.stations.items()):
            if record.members:
                # One after another, so that not all of them are looked at in one moment.
                overlay.wakes[edge_box(station)] = overlay.now_ms + FIRST_LOOK_MS + at % SPREAD * SPREAD_MS
        for device in [*self._fleet.members, *self._fleet.station_devices()]:
            known = self._fleet.states.setdefault(device, DeviceState())
            overlay.look_again.add(device)
            judged = known.copy()
            effects = self._rules.watcher.adopt(device, judged, overlay.now_ms)
            if effects or judged.watch != known.watch:
                overlay.states[device] = judged
                self._intake.effects(overlay, device, effects)
        return overlay

    def _heard_ms(self, device: DeviceId) -> int | None:
        """When the box that speaks for a device was last heard; None for one that speaks for itself."""
        member = self._fleet.members.get(device)
        if member is None or member.speaker == device:
            return None
        return self._fleet.speakers[member.speaker].seen_ms or 0

    def _floor_ms(self, now_ms: int) -> int:
        floor_ms = self._markers.floor_ms(now_ms)
        return now_ms if floor_ms is None else floor_ms
