"""A broker with its rights in force, the hub's own listeners on it, and two stations: one honest, one not."""

from __future__ import annotations

import itertools
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domain import topics
from domain.ids import DeviceId, edge_box
from runtime.broker import Broker
from runtime.secrets import Secrets, load_or_create_secrets
from signing.station_credential import Role
from tests.mosquitto import Mosquitto, login
from tests.ports import free_port
from tests.runtime.listener import ADCODE, ALICE, BOB, Listener
from tests.waiting import eventually

ALICES_DOOR, BOBS_DOOR = DeviceId(ALICE, "door_lock", 1), DeviceId(BOB, "door_lock", 1)


class Field:
    """Whoever listens keeps everything; `heard` asks all of them."""

    def __init__(
        self, kind: str, hub_port: int, port: int, secrets: Secrets, tls: ssl.SSLContext | None
    ) -> None:
        self.kind, self.port, self.tls = kind, port, tls
        self.secrets = secrets
        now_ms = time.time_ns() // 1_000_000
        self.passwords = {name: secrets.issue_station(ADCODE, name, now_ms) for name in (ALICE, BOB)}
        self.hub_port = hub_port
        self._clients: list[Listener] = []
        self._stations: dict[str, Listener] = {}
        self._words = (b"word %d" % n for n in itertools.count())

    def open(self) -> None:
        """Connect the honest ones."""
        self.gateway = self.process("gateway")
        for wanted in (topics.QUICK_FILTER, topics.BULK_FILTER):
            assert self.gateway.subscribe(wanted, qos=1)
        assert self.gateway.subscribe(topics.COMMAND_HINTS)
        self.api = self.process("api")
        assert self.api.subscribe(topics.CHANGE_HINTS)
        self.bob = self.station(BOB)
        assert self.bob.subscribe(topics.down_filter(ADCODE, BOB))

    def process(self, role: Role, client_id: str | None = None, *, persistent: bool = False) -> Listener:
        """A process of the hub."""
        return self._keep(
            Listener(
                self.hub_port,
                self.secrets.broker_passwords[role],
                client_id or f"{role}-{len(self._clients)}",
                username=role,
                tls=self.tls,
                persistent=persistent,
            )
        )

    def station(
        self,
        name: str = ALICE,
        client_id: str = "",
        *,
        will: tuple[str, bytes, bool] | None = None,
        password: str | None = "",
    ) -> Listener:
        """A station with its own credential, or with another password; its last connection ends."""
        if name in self._stations:
            self._stations.pop(name).close()
        given = self.passwords[name] if password == "" else password
        made = Listener(self.port, given, client_id, will=will, username=name, tls=self.tls)
        self._stations[name] = made
        return self._keep(made)

    def has_settled(self, alice: Listener | None = None) -> None:
        """Wait until what was sent before this, by this one of Alice's, has arrived wherever it can."""
        word = next(self._words)
        alice = alice or self.station()
        for topic in (topics.event(ADCODE, ALICES_DOOR), topics.telemetry(ADCODE, ALICES_DOOR)):
            alice.publish(topic, word)
        eventually(lambda: self.gateway.payloads.count(word) == 2, saying="both lanes")
        self.gateway.publish(topics.command(ADCODE, BOBS_DOOR), word)
        self.gateway.publish(topics.ack(ADCODE, edge_box(BOB)), word)
        self.gateway.publish(topics.change_hint(ADCODE), word)
        eventually(lambda: self.bob.payloads.count(word) == 2 and word in self.api.payloads)

    def heard(self, payload: bytes) -> set[str]:
        """Who of the honest ones got this payload."""
        listeners = {"gateway": self.gateway, "api": self.api, "bob": self.bob}
        return {name for name, one in listeners.items() if payload in one.payloads}

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def _keep(self, client: Listener) -> Listener:
        self._clients.append(client)
        return client


@contextmanager
def open_field(kind: str, folder: Path) -> Iterator[Field]:
    """A started broker of this kind, with everybody on it."""
    secrets = load_or_create_secrets(folder, time.time_ns() // 1_000_000)
    if kind == "mosquitto":
        broker: Mosquitto | Broker = Mosquitto(folder, secrets, [])
        assert isinstance(broker, Mosquitto)
        field = Field(kind, broker.hub_port, broker.station_port, secrets, broker.tls)
        broker.let_in([login(name, ADCODE, password) for name, password in field.passwords.items()])
    else:
        port = free_port()
        broker = Broker(folder, port, free_port(), secrets=secrets)
        field = Field(kind, port, port, secrets, None)
    broker.start()
    try:
        field.open()
        yield field
    finally:
        field.close()
        broker.stop()
