"""The stream of one opening over a real server: every step as it happens, and an end."""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections.abc import Iterator

import httpx2
import pytest

from storage import commands
from storage.database import Database
from tests.api.conftest import DOOR, World
from tests.api.serving import EventClient, Served, serving

pytestmark = pytest.mark.integration


@pytest.fixture
def served(db: Database) -> Iterator[tuple[World, Served]]:
    world = World(db)
    world.build()
    with serving(world.app) as running:
        yield world, running


def tap(world: World, running: Served, headers: dict[str, str]) -> str:
    world.beat()
    answer = httpx2.post(f"{running.url}/api/v1/doors/{DOOR}/unlock", headers=headers)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["command"])


def move(world: World, id_: str, from_state: str, to_state: str, reason: str | None = None) -> None:
    with world.db.write() as conn:
        assert commands.step(conn, id_, [from_state], to_state, world.db.now_ms(conn), reason)


def test_each_step_is_told_at_once_and_the_last_one_ends_the_stream(served: tuple[World, Served]) -> None:
    world, running = served
    opener = world.token("door:open")
    id_ = tap(world, running, opener)
    stream = EventClient(running.port, f"/api/v1/commands/{id_}/stream", opener)
    assert stream.head().startswith("HTTP/1.1 200")
    first = stream.until("step").data
    assert (first["state"], first["after_s"], first["final"]) == ("created", 0.0, False)
    told = []
    states = ["created", "preparing", "sent", "accepted", "done", "opened"]
    for from_state, to_state in itertools.pairwise(states):
        begun_s = time.monotonic()
        move(world, id_, from_state, to_state)
        world.state.on_hint("hub/hint/331002", b'{"command":"%s"}' % id_.encode())
        step = stream.until("step")
        assert step.at_s - begun_s < 1
        told.append((step.data["state"], step.data["final"]))
    assert told == [*[(state, False) for state in states[1:-1]], ("opened", True)]
    assert stream.next() is None
    stream.close()


def test_without_hints_steps_come_by_looking(served: tuple[World, Served]) -> None:
    world, running = served
    opener = world.token("door:open")
    id_ = tap(world, running, opener)
    stream = EventClient(running.port, f"/api/v1/commands/{id_}/stream", opener)
    stream.head()
    stream.until("step")
    begun_s = time.monotonic()
    move(world, id_, "created", "rejected", "door_open")
    step = stream.until("step")
    assert step.at_s - begun_s < 1
    assert (step.data["state"], step.data["reason"], step.data["final"]) == ("rejected", "door_open", True)
    assert stream.next() is None
    stream.close()


def test_a_command_that_nobody_takes_ends_by_itself(served: tuple[World, Served]) -> None:
    world, running = served
    opener = world.token("door:open")
    id_ = tap(world, running, opener)
    stream = EventClient(running.port, f"/api/v1/commands/{id_}/stream", opener)
    stream.head()
    stream.until("step")
    step = stream.until("step").data
    assert (step["state"], step["reason"], step["final"]) == ("expired", "hub_late", True)
    assert 3 <= step["after_s"] < 4.5
    stream.close()


def test_only_who_may_open_doors_there_may_follow(served: tuple[World, Served]) -> None:
    world, running = served
    id_ = tap(world, running, world.token("door:open"))
    path = f"{running.url}/api/v1/commands/{id_}/stream"
    assert httpx2.get(path).status_code == 401
    assert httpx2.get(path, headers=world.token("alerts:read")).status_code == 403
    assert httpx2.get(path, headers=world.token("door:open", area="3301")).status_code == 404


def test_a_form_waits_for_the_bolt_and_answers_with_a_page(served: tuple[World, Served]) -> None:
    world, running = served
    link = world.link_for(world.token("door:open"))
    with httpx2.Client(base_url=running.url) as browser:
        world.press(browser, link)
        page = browser.get(f"/d/{DOOR}").text
        fields = dict(re.findall(r'name="(csrf|key)" value="([^"]+)"', page))
        world.beat()

        def gateway() -> None:
            deadline_s = time.monotonic() + 5
            while time.monotonic() < deadline_s:
                with world.db.write() as conn:
                    claimed = commands.claim_created(conn, 1, world.db.now_ms(conn))
                if claimed:
                    move(world, claimed[0].id, "preparing", "done")
                    return
                time.sleep(0.02)

        thread = threading.Thread(target=gateway)
        thread.start()
        answer = browser.post(f"/d/{DOOR}", data=fields)
        thread.join()
    assert answer.status_code == 200
    assert "门已打开，请进" in answer.text
    assert "用时" in answer.text
