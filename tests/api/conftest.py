"""A small hub: a database with stations, a gateway's sign of life, tokens, and the API over it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from anyio.from_thread import start_blocking_portal
from fastapi import FastAPI
from httpx2 import Client, Response
from starlette.testclient import TestClient

from api import divisions
from api.app import create_app
from api.board import Board
from api.options import ApiOptions
from api.sessions import SessionKeys
from api.state import ApiState
from domain.ids import DeviceId, edge_box
from rules.calendar import Calendar
from rules.station_view import Timetables
from signing.keys import KeyRing, SigningKey
from storage import availability, registry, shards, states, stations, tokens
from storage.alerts import NewAlert, open_many
from storage.availability import AvailabilityRow
from storage.database import Database, open_database
from storage.registry import Device, Door
from storage.series import SqlSeries
from storage.states import SpeakerRow
from storage.stations import Station

TREE = Path(__file__).resolve().parents[2]
HERE = "331002-0001"
LOCK = DeviceId(HERE, "door_lock", 1)
CABINET = DeviceId(HERE, "swap_cabinet", 1)
DOOR = "kq7w2nx9"


class ShiftedClock:
    """The machine's clocks, moved forward at will."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def now_ms(self) -> int:
        return round((time.time() + self.ahead_s) * 1000)

    def monotonic_s(self) -> float:
        return time.monotonic() + self.ahead_s


class Hints:
    """Remembers what was published."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []

    def publish(self, topic: str, payload: bytes) -> bool:
        self.sent.append((topic, payload))
        return True


class World:
    """What tests do to the hub; times are now unless said otherwise."""

    def __init__(self, db: Database, options: ApiOptions | None = None) -> None:
        self.db = db
        self.clock = ShiftedClock()
        self.hints = Hints()
        timetables = Timetables(Calendar())
        self.state = ApiState(
            db=db,
            hints=self.hints,
            clock=self.clock,
            options=options or ApiOptions(base_url="http://testserver"),
            sessions=SessionKeys(KeyRing(SigningKey(bytes(range(32))))),
            series=SqlSeries(),
            board=Board(db, self.clock, timetables),
            timetables=timetables,
            counties=divisions.load(TREE / "data" / "zj_divisions.csv"),
        )
        self.app: FastAPI = create_app(self.state)
        self.client = TestClient(self.app, raise_server_exceptions=False, client=("127.0.0.1", 50_000))

    def build(self) -> None:
        """One equipped station in Jiaojiang, one by timetable there, one in Hangzhou."""
        now_ms = self.clock.now_ms()
        with self.db.write() as conn:
            stations.put_stations(
                conn,
                [
                    _station(HERE, "001", "椒江万达劳动者驿站", hours="24/7", capacity=12),
                    _station("331002-0002", "002", "葭沚社区驿站", hours="24/7"),
                    _station("330102-0001", "001", "上城区驿站", hours="24/7"),
                ],
            )
            box = edge_box(HERE)
            sensor = DeviceId(HERE, "occupancy_sensor", 1)
            registry.put_devices(
                conn, [Device(one, box, "正门", "Front door", now_ms) for one in (LOCK, CABINET, sensor)]
            )
            registry.put_doors(conn, [Door(DOOR, HERE, 1, now_ms)])
        self.hear()
        self.beat()
        self.look()

    def look(self) -> None:
        """Let the API read the database now."""
        self.state.board.look()

    def beat(self, age_ms: int = 0) -> None:
        """A sign of life of the gateway."""
        with self.db.write() as conn:
            now_ms = self.db.now_ms(conn)
            shards.beat(conn, 0, 1, 1234, now_ms - age_ms, now_ms - 10_000, now_ms - 10_000)

    def link(self, word: str, age_ms: int = 0) -> None:
        """What the station's edge box says of its connection."""
        at_ms = self.clock.now_ms() - age_ms
        row = SpeakerRow(edge_box(HERE), word, 1, "boot", at_ms, at_ms, 0, {}, at_ms)  # type: ignore[arg-type]
        with self.db.write() as conn:
            states.upsert_speakers(conn, [row])

    def facts(
        self,
        *,
        people: int | None = 5,
        batteries: int | None = 7,
        water: str | None = "hot",
        age_s: int = 0,
        lockdown: Mapping[str, Any] | None = None,
        mode: str = "normal",
    ) -> None:
        """What the devices say of the station."""
        as_of_ms = self.clock.now_ms() - age_s * 1000
        until_ms = as_of_ms + 180_000
        body = {
            "devices": {
                "door_lock/1": {
                    "bolt": ["locked", as_of_ms, until_ms],
                    "leaf": ["closed", as_of_ms, until_ms],
                    "mode": [mode, as_of_ms, until_ms],
                },
                "occupancy_sensor/1": {"people": [people, as_of_ms, until_ms]},
                "swap_cabinet/1": {"full_batteries": [batteries, as_of_ms, until_ms]},
                "water_dispenser/1": {"water": [water, as_of_ms, until_ms]},
            },
            "lockdown": lockdown,
            "link": {"station/0": ["online", as_of_ms]},
        }
        with self.db.write() as conn:
            availability.upsert_many(conn, [AvailabilityRow(HERE, "331002", body, as_of_ms)])

    def hear(self) -> None:
        """The station is there and well."""
        self.link("online")
        self.facts()

    def alert(
        self,
        id_: str = "000000000001aaaaaaaaaaaa",
        station: str = HERE,
        *,
        code: str = "battery_hot",
        latched: bool = False,
    ) -> str:
        """An open alert."""
        now_ms = self.clock.now_ms()
        new = NewAlert(
            id_, DeviceId(station, "swap_cabinet", 1), 7, station[:6], code, "major", False, 1, latched,
            now_ms, now_ms, False, {"temp_c": 62.4}, "7 号仓过热", "slot 7 hot",
        )  # fmt: skip
        with self.db.write() as conn:
            open_many(conn, [new])
        return id_

    def token(self, *scopes: str, area: str = "", expires_in_s: int | None = None) -> dict[str, str]:
        """Headers of a new token."""
        now_ms = self.clock.now_ms()
        expires_ms = None if expires_in_s is None else now_ms + expires_in_s * 1000
        with self.db.write() as conn:
            _, text = tokens.create(
                conn, name="test", scopes=scopes, area=area, now_ms=now_ms, expires_ms=expires_ms
            )
        return {"Authorization": f"Bearer {text}"}

    def link_for(self, headers: Mapping[str, str]) -> str:
        """The address of a sign-in link for the token in these headers."""
        token_id = headers["Authorization"].split("_")[1]
        with self.db.write() as conn:
            return f"/sign-in?t={tokens.new_sign_in(conn, token_id, self.clock.now_ms())}"

    def press(self, client: Client, link: str, next_: str = "/") -> Response:
        """Open a sign-in link in this browser and press its button."""
        page = client.get(link, params={**dict(parse_qsl(urlsplit(link).query)), "next": next_})
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page.text))
        return client.post("/sign-in", data={name: unescape(value) for name, value in fields.items()})

    def get(self, path: str, headers: Mapping[str, str] | None = None, status: int = 200) -> Any:
        """The JSON of an answer that must have this status."""
        answer = self.client.get(path, headers=dict(headers or {}))
        assert answer.status_code == status, answer.text
        return answer.json()

    def post(
        self, path: str, headers: Mapping[str, str] | None = None, status: int = 200, json: Any = None
    ) -> Any:
        """The JSON of an answer that must have this status."""
        answer = self.client.post(path, headers=dict(headers or {}), json=json)
        assert answer.status_code == status, answer.text
        return answer.json()


def _station(id_: str, number: str, name: str, **more: Any) -> Station:
    return Station(
        id=id_, adcode=id_[:6], area=id_[:6], number=number, name=name, lat=28.66, lon=121.42, datum="wgs84",
        address="市府大道 1 号", phone="0576-12345", **more,
    )  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def _one_loop() -> Iterator[None]:
    """All clients share one loop: a thread and a loop for each request take longer than most requests."""
    with start_blocking_portal() as TestClient.portal:
        yield
    TestClient.portal = None


@pytest.fixture
def db(migrated_sqlite_url: str) -> Iterator[Database]:
    """A database with all tables."""
    database = open_database(migrated_sqlite_url)
    yield database
    database.close()


@pytest.fixture
def world(db: Database) -> World:
    """The small hub, looked at once."""
    world = World(db)
    world.build()
    return world


def paths(problem: Mapping[str, Sequence[Mapping[str, str]]]) -> list[str]:
    """Where the mistakes of an error answer are."""
    return [one["path"] for one in problem["errors"]]
