"""When speakers were heard, and until when they are sure to be heard: stored reports tell both."""

from __future__ import annotations

from collections.abc import Sequence

from domain.ids import DeviceId
from rules.replayed import NEVER, ReplayedDevice


class Heard:
    """What stood alone is noted; all else is looked up in the devices' tracks."""

    def __init__(self, members: Sequence[ReplayedDevice]) -> None:
        self._members = members
        self._noted: dict[DeviceId, int] = {}

    def note(self, speaker: DeviceId, now_ms: int) -> None:
        """A message of this speaker has just come in."""
        self._noted[speaker] = now_ms

    def before(self, speaker: DeviceId, before_ms: int) -> int | None:
        """When a speaker was heard last before a moment; None for never."""
        heard_ms = self._noted.get(speaker, -1)
        for one in self._members:
            if one.spoken_for_by(speaker):
                heard_ms = max(heard_ms, one.heard_before(before_ms))
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
        return min((one.heard_after(from_ms) for one in self._members), default=NEVER)
