"""Which device must be looked at again, and when: one heap, rebuilt at start from the states."""

from __future__ import annotations

import heapq

from domain.ids import DeviceId


class Deadlines:
    """At most one live entry a device. A moved deadline leaves its old entry behind, which is skipped."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, DeviceId]] = []
        self._at: dict[DeviceId, int] = {}

    def __len__(self) -> int:
        return len(self._at)

    def sooner(self, device: DeviceId, due_ms: int) -> None:
        """Look at the device at `due_ms` at the latest."""
        known = self._at.get(device)
        if known is None or due_ms < known:
            self._at[device] = due_ms
            heapq.heappush(self._heap, (due_ms, device))

    def next_ms(self) -> int | None:
        """The earliest deadline."""
        self._drop_stale()
        return self._heap[0][0] if self._heap else None

    def take_due(self, now_ms: int, at_most: int) -> list[DeviceId]:
        """Devices whose deadline has come; each must be given its next one, or has none."""
        due: list[DeviceId] = []
        while len(due) < at_most:
            self._drop_stale()
            if not self._heap or self._heap[0][0] > now_ms:
                break
            _, device = heapq.heappop(self._heap)
            del self._at[device]
            due.append(device)
        return due

    def _drop_stale(self) -> None:
        heap, at = self._heap, self._at
        while heap and at.get(heap[0][1]) != heap[0][0]:
            heapq.heappop(heap)
