"""Stations whose connection, link or will is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from conform.heard import Greeting, Heard, Will
from tests.conform.bench import Mutant
from tests.conform.sending_mutants import Tracking, body_of, leaf, with_body


class Greets(Mutant):
    """Connects in a wrong way."""

    def __init__(self, change: Callable[[Greeting], Greeting]) -> None:
        self._change = change

    def greets(self, greeting: Greeting) -> Greeting:
        return self._change(greeting)


class SaysLinkLate(Tracking):
    def says(self, heard: Heard) -> list[Heard]:
        if leaf(heard) == "link" and self.now_s - self.connected_s < 5.5:
            return []
        return super().says(heard)


class SaysLinkOnce(Mutant):
    def __init__(self) -> None:
        self._said: set[tuple[int, int]] = set()

    def says(self, heard: Heard) -> list[Heard]:
        if leaf(heard) == "link":
            body = body_of(heard)
            word = (body["conn"], body["dropped"])
            if word in self._said:
                return []
            self._said.add(word)
        return [heard]


class OverlooksTheEcho(Mutant):
    def hears(self, topic: str, payload: bytes) -> list[tuple[str, bytes]]:
        if topic.endswith("/ack"):
            payload = json.dumps(json.loads(payload) | {"conn": None}).encode()
        return [(topic, payload)]


class NeverCountsConnections(Mutant):
    def greets(self, greeting: Greeting) -> Greeting:
        assert greeting.will is not None
        will = json.loads(greeting.will.payload) | {"conn": 1}
        return greeting._replace(will=greeting.will._replace(payload=json.dumps(will).encode()))

    def says(self, heard: Heard) -> list[Heard]:
        return [with_body(heard, body_of(heard) | {"conn": 1})] if leaf(heard) == "link" else [heard]

    def hears(self, topic: str, payload: bytes) -> list[tuple[str, bytes]]:
        if topic.endswith("/ack") and (ack := json.loads(payload))["conn"] == 1:
            payload = json.dumps(ack | {"conn": self.station.box.conn}).encode()
        return [(topic, payload)]


def bad_will(greeting: Greeting, **body: Any) -> Greeting:
    will = greeting.will
    assert will is not None
    return greeting._replace(will=will._replace(payload=json.dumps(json.loads(will.payload) | body).encode()))


def kept_will(greeting: Greeting) -> Greeting:
    assert greeting.will is not None
    return greeting._replace(will=Will(greeting.will.topic, greeting.will.payload, 1, retained=True))
