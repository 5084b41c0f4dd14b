"""The hub's part of the conversation: acks, and the ways in which the kit withholds them."""

from __future__ import annotations

import json
from collections.abc import Callable

from conform.heard import LinkHeard, Message
from conform.link_watch import LinkWatch
from conform.record import Record
from domain import topics
from domain.ids import DeviceId
from domain.watermark import Watermark


class HubPart:
    """Acknowledges as the hub would, unless told otherwise."""

    def __init__(self, adcode: str, record: Record, links: LinkWatch, speaker: DeviceId, store: str) -> None:
        self.acking = True
        self.echoing = True
        self.store = store
        self.speaker = speaker
        self.caught: Message | None = None
        """The one message that is not acknowledged though later ones are."""
        self._wanted: Callable[[Message], bool] | None = None
        self._adcode, self._record, self._links = adcode, record, links
        self._marks: dict[str, Watermark] = {}
        self._conns: dict[str, int] = {}
        self._heard_boots: dict[str, list[int]] = {}

    def catch_next(self, wanted: Callable[[Message], bool]) -> None:
        """Withhold the ack for the next new message that is wanted."""
        self.caught, self._wanted = None, wanted

    def release(self) -> None:
        """Acknowledge what was withheld, or give up waiting for it."""
        caught, self.caught, self._wanted = self.caught, None, None
        if caught is not None:
            self._keep(caught)

    def resume(self) -> None:
        """Acknowledge again, all that came meanwhile too."""
        self.acking = True
        for message in list(self._record.open.values()):
            self._keep(message)

    def new_store(self, store: str) -> None:
        """Come back with an empty database: nothing is kept, and the next ack says so."""
        self.store = store
        self._marks.clear()
        self._heard_boots = {boot: [] for boot in self._conns}

    def say_again(self) -> None:
        """Send an ack to every boot that has said a link, without anything new in it."""
        for boot in self._conns:
            self._heard_boots.setdefault(boot, [])

    def took(self, message: Message, is_new: bool) -> None:
        """A message came."""
        if is_new and self._wanted is not None and self._wanted(message):
            self.caught, self._wanted = message, None
        if self.acking and message is not self.caught:
            self._keep(message)

    def took_link(self, word: LinkHeard) -> None:
        """A link came: it is answered with an ack that echoes its conn."""
        if word.link.online:
            self.speaker = word.speaker
            self._conns[word.link.boot] = word.link.conn
            if self.acking:
                self._heard_boots.setdefault(word.link.boot, [])

    def acks(self, now_ms: int, now_s: float) -> list[tuple[str, bytes]]:
        """What to publish now."""
        said = [self._ack(boot, batch, now_ms, now_s) for boot, batch in self._heard_boots.items()]
        self._heard_boots = {}
        return said

    def _keep(self, message: Message) -> None:
        self._heard_boots.setdefault(message.boot, []).append(message.seq)
        # A `low` that passes what was never acknowledged is judged; here it must not count as kept.
        low = message.low
        if low is not None:
            waiting = [m.seq for m in self._record.open.values() if m.boot == message.boot and not m.given_up]
            low = min([low, *waiting])
        self._marks.setdefault(message.boot, Watermark()).add(message.seq, low)

    def _ack(self, boot: str, batch: list[int], now_ms: int, now_s: float) -> tuple[str, bytes]:
        mark = self._marks.setdefault(boot, Watermark())
        for seq in batch:
            message = self._record.open.get((boot, seq))
            if message is not None:
                self._record.acknowledged(message, now_s)
        conn = self._conns.get(boot) if self.echoing else None
        if conn is not None:
            self._links.echoed(boot, conn, now_s)
        body = {"boot": boot, "upto": mark.upto, "also": mark.also(batch), "conn": conn, "now": now_ms}
        topic = topics.ack(self._adcode, self.speaker)
        return topic, json.dumps(body | {"store": self.store}, separators=(",", ":")).encode()
