"""A small house for tests: real broker and database, a gateway in this process, devices spoken by hand."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from domain import topics
from domain.clock import Clock
from domain.ids import DeviceId, edge_box
from gateway.options import GatewayOptions
from gateway.service import Gateway
from runtime.clock import WallClock
from runtime.secrets import Secrets, load_or_create_secrets
from runtime.station_passwords import SIMULATOR
from storage import credentials, registry, rulebooks, stations
from storage.database import Database, open_database
from storage.inflow import Inflow
from storage.migrate import upgrade
from storage.series import SqlSeries
from tests.gateway.brokers import EMBEDDED, BrokerPlace, HouseBroker
from tests.ports import free_port
from tests.waiting import eventually
from transport.hub import HubLink
from transport.lane import LaneOptions
from transport.loop import MqttLoop
from transport.station_link import StationLink, StationOptions

ADCODE = "331002"
RULEBOOK = Path(__file__).resolve().parents[2] / "rules" / "rulebook.yaml"
KINDS = ("door_lock", "occupancy_sensor", "swap_cabinet")


def station_id(number: int) -> str:
    return f"{ADCODE}-{number:04d}"


def furnish(database: Database, count: int = 2) -> None:
    """Stations 1 to `count`, each with a door, a counter and a cabinet behind an edge box."""
    with database.write() as connection:
        stations.put_stations(
            connection,
            [
                stations.Station(
                    station_id(n), ADCODE, ADCODE, f"{n:03d}", f"驿站{n}", hours="24/7", capacity=8
                )
                for n in range(1, count + 1)
            ],
        )
        registry.put_devices(
            connection,
            [
                registry.Device(DeviceId(station_id(n), kind, 1), edge_box(station_id(n)))
                for n in range(1, count + 1)
                for kind in KINDS
            ],
        )
        rulebooks.seed(connection, RULEBOOK.read_text(encoding="utf-8"), 0)


def note_credentials(database: Database, stations_let_in: Sequence[str], now_ms: int) -> None:
    """Who was let in and when, from which the courier writes a Mosquitto's passwords again."""
    with database.write() as connection:
        for name in stations_let_in:
            credentials.add_credential(
                connection, credentials.Credential(edge_box(name), SIMULATOR, now_ms, None)
            )


@dataclass
class House:
    """What a test works with."""

    var: Path
    url: str
    place: BrokerPlace
    secrets: Secrets
    database: Database
    passwords: dict[str, str]
    clock: Clock = field(default_factory=WallClock)
    gateways: list[tuple[Gateway, threading.Thread]] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    """What a process of the hub is told besides where database and broker are."""

    @property
    def broker(self) -> HouseBroker:
        return self.place.broker

    @property
    def mqtt_port(self) -> int:
        """Where stations connect."""
        return self.place.station_port

    def gateway(self, series: Inflow | None = None) -> Gateway:
        """Start a gateway on a thread of this process and wait until it hears the broker."""
        hub = self.hub()
        gateway = Gateway(
            self.database,
            series or SqlSeries(),
            hub,
            self.secrets.commands.active,
            self.clock,
            GatewayOptions(),
        )
        thread = threading.Thread(target=gateway.run, name="gateway", daemon=True)
        thread.start()
        self.gateways.append((gateway, thread))
        eventually(lambda: hub.status().ready, 15, saying="the gateway hears the broker")
        return gateway

    def hub(self) -> HubLink:
        ids, password = self.secrets.client_ids, self.secrets.broker_passwords["gateway"]
        quick = ((topics.QUICK_FILTER, 1), (topics.COMMAND_HINTS, 0))
        return HubLink(
            "127.0.0.1",
            self.place.hub_port,
            {
                "quick": LaneOptions(
                    client_id=ids.quick, filters=quick, username="gateway", password=password
                ),
                "bulk": LaneOptions(
                    client_id=ids.bulk,
                    filters=((topics.BULK_FILTER, 1),),
                    username="gateway",
                    password=password,
                ),
            },
            30_000,
            self.clock.now_ms,
            self.place.tls,
        )

    def stop_gateways(self) -> None:
        for gateway, thread in self.gateways:
            gateway.stop()
            thread.join(10)
            assert not thread.is_alive()
        self.gateways.clear()

    def rows(self, sql: str, **values: Any) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(sa.text(sql), values))


class Box:
    """A station's edge box, spoken by hand: keeps nothing by itself, counts its messages."""

    def __init__(self, house: House, loop: MqttLoop, number: int = 1, password: str | None = None) -> None:
        self.station = station_id(number)
        self.boot = secrets.token_hex(4)
        self.seq = 0
        self.conn = 0
        self.acks: list[dict[str, Any]] = []
        self.commands: list[tuple[DeviceId, dict[str, Any]]] = []
        token = password or house.passwords[self.station]
        self.link = StationLink(
            loop,
            StationOptions(
                host="127.0.0.1",
                port=house.mqtt_port,
                adcode=ADCODE,
                station=self.station,
                client_id=f"box-{self.station}-{self.boot}",
                username=self.station,
                password=token,
                tls=house.place.tls,
            ),
            self._heard,
        )
        self.link.connect()
        eventually(lambda: self.link.ready, 10, saying="the box is connected")

    def _heard(self, topic: str, payload: bytes) -> None:
        address = topics.parse(topic)
        if address.leaf == "ack":
            self.acks.append(json.loads(payload))
        elif address.leaf == "command":
            self.commands.append((address.device, json.loads(payload)))

    def device(self, kind: str) -> DeviceId:
        return DeviceId(self.station, kind, 1)

    def envelope(self, *, low: int | None = 0, **content: Any) -> dict[str, Any]:
        body = {"v": 1, "ts": WallClock().now_ms(), "boot": self.boot, "seq": self.seq, "low": low, **content}
        self.seq += 1
        return body

    def send(self, topic: str, payload: bytes) -> None:
        assert self.link.publish(topic, payload, 1)

    def say(self, topic: str, body: dict[str, Any]) -> int:
        self.send(topic, json.dumps(body, separators=(",", ":")).encode())
        return int(body.get("seq", -1))

    def online(self) -> None:
        self.conn += 1
        body = {
            "v": 1,
            "online": True,
            "boot": self.boot,
            "conn": self.conn,
            "ts": WallClock().now_ms(),
            "dropped": 0,
        }
        self.say(topics.link(ADCODE, edge_box(self.station)), body)

    def report(self, kind: str, *, low: int | None = 0, **fields: Any) -> int:
        return self.say(topics.telemetry(ADCODE, self.device(kind)), self.envelope(low=low, **fields))

    def event(self, kind: str, type_: str, *, low: int | None = 0, **fields: Any) -> int:
        return self.say(topics.event(ADCODE, self.device(kind)), self.envelope(low=low, type=type_, **fields))

    def reply(self, kind: str, id_: str, state: str, **fields: Any) -> int:
        return self.say(topics.reply(ADCODE, self.device(kind)), self.envelope(id=id_, state=state, **fields))

    def promised(self, seq: int) -> bool:
        return any(
            ack["boot"] == self.boot and (ack["upto"] >= seq or any(a <= seq <= b for a, b in ack["also"]))
            for ack in self.acks
        )


@contextmanager
def open_house(var: Path, url: str, stations_count: int = 2, broker_kind: str = EMBEDDED) -> Iterator[House]:
    """Broker and database, furnished; gateways and boxes are started by the test."""
    mqtt_port, nats_port = free_port(), free_port()
    now_ms = WallClock().now_ms()
    keys = load_or_create_secrets(var, now_ms)
    names = [station_id(number) for number in range(1, stations_count + 1)]
    passwords = {name: keys.issue_station(ADCODE, name, now_ms) for name in names}
    place = BrokerPlace(broker_kind, var, keys, passwords, (mqtt_port, nats_port))
    upgrade(url)
    database = open_database(url)
    furnish(database, stations_count)
    note_credentials(database, names, now_ms)
    place.broker.start()
    house = House(var, url, place, keys, database, passwords)
    try:
        yield house
    finally:
        house.stop_gateways()
        place.broker.stop()
        database.close()
