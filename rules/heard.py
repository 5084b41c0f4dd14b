"""When speakers were heard, and until when they are sure to be heard: stored reports tell both."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from domain.ids import DeviceId
from rules.replayed import NEVER, ReplayedDevice
from rules.track import Track


class Heard:
    """What stood alone is noted; all else is looked up in the tracks of these hours."""

    def __init__(self, members: Sequence[ReplayedDevice]) -> None:
        self._members = members
        self._noted: dict[DeviceId, int] = {}
        self._times: dict[DeviceId, list[int]] = {}
        self._all_times: list[int] = []

    def begin(self, tracks: Iterable[Track]) -> int:
        """These reports come in from now on; all those before have come in. Returns when the last comes."""
        for speaker, times in self._times.items():
            self._noted[speaker] = max(self._noted.get(speaker, -1), times[-1])
        self._times = {}
        for track in tracks:
            self._times.setdefault(track.speaker, []).extend(track.received_ms)
        for times in self._times.values():
            times.sort()
        self._all_times = sorted(one_ms for times in self._times.values() for one_ms in times)
        return self._all_times[-1] if self._all_times else 0

    def note(self, speaker: DeviceId, now_ms: int) -> None:
        """A message of this speaker has just come in."""
        self._noted[speaker] = now_ms

    def before(self, speaker: DeviceId, before_ms: int) -> int | None:
        """When a speaker was heard last before a moment; None for never."""
        heard_ms = self._noted.get(speaker, -1)
        times = self._times.get(speaker)
        if times is not None:
            at = bisect_left(times, before_ms)
            if at and times[at - 1] > heard_ms:
                return times[at - 1]
        return heard_ms if heard_ms >= 0 else None

    def speaker_of(self, one: ReplayedDevice, before_ms: int) -> int | None:
        """The same of the box that speaks for a device; None for one that speaks for itself."""
        return None if one.speaker == one.device else self.before(one.speaker, before_ms) or 0

    def sure_ms(self, one: ReplayedDevice) -> int:
        """Until when reports of a device, or through the box, are sure to come in; -1 when nobody knows."""
        if one.kind is not None:
            return one.heard_until()
        return max((m.heard_until() for m in self._members if m.spoken_for_by(one.device)), default=-1)

    def next_ms(self, from_ms: int) -> int:
        """When the first report at a moment or later came in."""
        at = bisect_left(self._all_times, from_ms)
        return self._all_times[at] if at < len(self._all_times) else NEVER
