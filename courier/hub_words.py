"""What the hub itself has to tell those who run it: no station's alert, sent by the same channels."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from courier.channel import Channel, Message, NotDelivered
from courier.message import time_text
from domain.clock import Clock

AGAIN_AFTER_S: Final = 60.0

_log = logging.getLogger(__name__)


class HubWords:
    """Says each thing once until it changes; what no channel took is tried again by `deliver`."""

    def __init__(self, channels: Sequence[Channel], clock: Clock, base_url: str) -> None:
        self._channels = list(channels)
        self._clock = clock
        self._base_url = base_url.rstrip("/")
        self._said: dict[str, str] = {}
        self._waiting: dict[tuple[str, str], Message] = {}
        self._next_s = 0.0

    def say(self, about: str, zh: str, en: str) -> None:
        """Tell how it is with `about` from now on."""
        if self._said.get(about) == en:
            return
        self._said[about] = en
        now_ms = self._clock.now_ms()
        body = {
            "v": 1, "id": f"hub:{about}:{now_ms}", "what": "hub", "repeated": False,
            "sent_at": time_text(now_ms), "text_zh": zh, "text_en": en, "link": f"{self._base_url}/",
        }  # fmt: skip
        for channel in self._channels:
            self._waiting[channel.name, about] = Message(str(body["id"]), body)
        self._next_s = 0.0

    def deliver(self) -> None:
        """Send what waits; after a failure at most once a minute."""
        if not self._waiting or self._clock.monotonic_s() < self._next_s:
            return
        for channel in self._channels:
            for place in [place for place in self._waiting if place[0] == channel.name]:
                try:
                    channel.send(self._waiting[place])
                except NotDelivered as error:
                    self._next_s = self._clock.monotonic_s() + AGAIN_AFTER_S
                    if not error.permanent:
                        continue
                    _log.error(
                        "What the hub has to say of %s does not arrive by %s: %s",
                        place[1], channel.name, error,
                        extra={"action": "courier.hub_words"},
                    )  # fmt: skip
                self._waiting.pop(place, None)
