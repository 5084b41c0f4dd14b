"""The live feed over a real server: what is told, to whom, how fast, and to no one who does not read."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx2
import pytest

from api.options import ApiOptions
from api.packing import Piece
from storage import alerts, stations
from storage.database import Database
from storage.stations import Station
from tests.api.conftest import HERE, World
from tests.api.serving import EventClient, Served, serving
from tests.waiting import eventually

pytestmark = pytest.mark.integration


@pytest.fixture
def live(db: Database) -> Iterator[tuple[World, Served]]:
    options = ApiOptions(base_url="http://testserver", poll_s=0.3, hints_apart_s=0.05, beat_s=0.3)
    world = World(db, options)
    world.build()
    with serving(world.app) as served:
        yield world, served


def join(served: Served, path: str = "/api/v1/live", headers: dict[str, str] | None = None) -> EventClient:
    client = EventClient(served.port, path, headers)
    head = client.head()
    assert head.startswith("HTTP/1.1 200"), head
    assert "text/event-stream" in head
    return client


def test_a_snapshot_comes_first_and_then_what_changes(live: tuple[World, Served]) -> None:
    world, served = live
    client = join(served)
    snapshot = client.until("snapshot").data
    assert [one["id"] for one in snapshot["stations"]] == ["330102-0001", HERE, "331002-0002"]
    assert [(one["adcode"], one["name_en"]) for one in snapshot["counties"]] == [
        ("330102", "Shangcheng"),
        ("331002", "Jiaojiang"),
    ]
    assert snapshot["hub"]["ok"] is True
    world.facts(people=12)
    change = client.until("change").data
    (station,) = change["stations"]
    assert (station["id"], station["availability"]["state"]) == (HERE, "full")
    assert change["version"] > snapshot["version"]
    client.close()


def test_whoever_takes_gzip_gets_each_event_at_once_and_a_fraction_of_the_bytes(
    live: tuple[World, Served],
) -> None:
    world, served = live
    now_ms = world.clock.now_ms()
    with world.db.write() as conn:
        many = [
            Station(f"331004-{n:04}", "331004", "331004", f"{n:03}", f"路桥{n}号驿站", hours="24/7")
            for n in range(500)
        ]
        stations.put_stations(conn, [replace(one, created_ms=now_ms) for one in many])
    world.look()
    sizes = {}
    for coding in ("identity", "gzip"):
        with httpx2.stream("GET", f"{served.url}/api/v1/live", headers={"Accept-Encoding": coding}) as answer:
            assert answer.headers.get("content-encoding") == ("gzip" if coding == "gzip" else None)
            assert answer.headers["vary"] == "Accept-Encoding"
            lines = answer.iter_lines()
            assert next(lines) == "event: snapshot"
            assert len(json.loads(next(lines)[6:])["stations"]) == 503
            sizes[coding] = answer.num_bytes_downloaded
            world.facts(people=3 if coding == "gzip" else 4)
            assert next(line for line in lines if line.startswith("event: change"))
    assert sizes["gzip"] < sizes["identity"] / 8


def test_a_hint_is_a_reason_to_look_at_once(db: Database) -> None:
    world = World(db, ApiOptions(base_url="http://testserver", poll_s=30, hints_apart_s=0.02, beat_s=30))
    world.build()
    with serving(world.app) as served:
        client = join(served)
        client.until("snapshot")
        world.facts(people=12)
        begun_s = time.monotonic()
        world.state.on_hint("hub/hint/331002", b'{"changed":true}')
        assert client.until("change").at_s - begun_s < 1
        world.state.on_hint("hub/hint/331002", b"\xff not json")
        client.close()


def test_without_hints_changes_come_by_looking(live: tuple[World, Served]) -> None:
    world, served = live
    client = join(served)
    client.until("snapshot")
    world.facts(batteries=0)
    assert client.until("change").data["stations"][0]["availability"]["batteries"]["full"] == 0
    client.close()


def test_staff_is_told_alerts_and_head_counts_of_its_area_only(live: tuple[World, Served]) -> None:
    world, served = live
    theirs = join(served, headers=world.token("alerts:read", area="331002"))
    others = join(served, headers=world.token("alerts:read", area="3301"))
    public = join(served)
    seen = {one["id"]: one for one in theirs.until("snapshot").data["stations"]}
    assert seen[HERE]["availability"]["people"]["about"] == 5
    assert "alerts" not in seen["330102-0001"]
    for client in (others, public):
        seen = {one["id"]: one for one in client.until("snapshot").data["stations"]}
        assert "people" not in seen[HERE]["availability"]
    id_ = world.alert()
    alert = theirs.until("alert").data
    assert (alert["id"], alert["state"], alert["text_zh"]) == (id_, "firing", "7 号仓过热")
    with world.db.write() as conn:
        alerts.acknowledge(conn, id_, "someone", world.clock.now_ms())
    assert theirs.until("alert").data["state"] == "acknowledged"
    for client in (others, public):
        names = [event.name for event in (client.next() for _ in range(4)) if event]
        assert "alert" not in names
        client.close()
    theirs.close()


def test_time_alone_changes_what_is_told(live: tuple[World, Served]) -> None:
    world, served = live
    client = join(served)
    client.until("snapshot")
    world.clock.ahead_s = 200
    told = client.until("change").data["stations"][0]
    assert told["id"] == HERE
    assert told["availability"]["state"] == "unknown"
    client.close()


def test_a_beat_says_when_the_gateway_is_gone(live: tuple[World, Served]) -> None:
    world, served = live
    client = join(served)
    world.beat()
    eventually(lambda: client.until("beat").data["hub"]["ok"])
    world.beat(10_000)
    eventually(lambda: not client.until("beat").data["hub"]["ok"])
    client.close()


def test_an_area_narrows_the_feed(live: tuple[World, Served]) -> None:
    _, served = live
    client = join(served, "/api/v1/live?area=3301")
    assert [one["id"] for one in client.until("snapshot").data["stations"]] == ["330102-0001"]
    client.close()


def test_who_leaves_is_forgotten(live: tuple[World, Served]) -> None:
    world, served = live
    clients = [join(served) for _ in range(20)]
    eventually(lambda: world.state.feed.clients == 20)
    for client in clients:
        client.close()
    eventually(lambda: world.state.feed.clients == 0, 3)


def test_who_does_not_read_is_cut_off_and_others_go_on(db: Database) -> None:
    options = ApiOptions(
        base_url="http://testserver", poll_s=0.1, hints_apart_s=0.01, write_within_s=0.5,
        snapshot_within_s=0.5, live_queue=10_000,
    )  # fmt: skip
    world = World(db, options)
    world.build()
    with serving(world.app) as served:
        stalled = [EventClient(served.port, "/api/v1/live", small=True) for _ in range(5)]
        reading = join(served)
        eventually(lambda: world.state.feed.clients == 6)
        filler = Piece(b"event: change\ndata: " + b"x" * 60_000 + b"\n\n")

        def flood() -> bool:
            for readers in list(world.state.feed._readers.values()):
                for reader in list(readers):
                    served.server.servers[0].get_loop().call_soon_threadsafe(reader.put, filler)
            data = reading.socket.recv(1 << 20)
            assert data
            return world.state.feed.clients == 1

        eventually(flood, 15, every_s=0.05, saying="stalled clients are gone")
        for client in [*stalled, reading]:
            client.close()


def test_a_reader_that_is_too_far_behind_is_told_to_begin_anew() -> None:
    import asyncio

    from api.streams import RESYNC, Reader

    async def scene() -> None:
        reader = Reader(3)
        for n in range(4):
            reader.put(Piece(b"%d" % n))
        assert await reader.take() == [RESYNC]
        reader.put(Piece(b"nothing more"))
        assert await reader.take() == []

    # A thread of its own: a browser of another test may keep a loop running in this one.
    with ThreadPoolExecutor(1) as elsewhere:
        elsewhere.submit(asyncio.run, scene()).result()


def test_more_clients_than_allowed_are_sent_to_polling(db: Database) -> None:
    world = World(db, ApiOptions(base_url="http://testserver", live_clients=5, live_clients_per_address=2))
    world.build()
    with serving(world.app) as served:
        first, second = join(served), join(served)
        third = EventClient(served.port, "/api/v1/live")
        assert third.head().startswith("HTTP/1.1 503")
        first.close()
        eventually(lambda: world.state.feed.clients == 1)
        join(served).close()
        second.close()
        third.close()
