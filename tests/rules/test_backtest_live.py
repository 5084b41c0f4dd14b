"""What a back-test says is what the gateway said: the same messages, alive and again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domain import topics
from rules.books import Books
from rules.tally import Tally
from runtime.clock import WallClock
from storage import rulebooks
from storage.backtests import Period, backtest
from tests.gateway.house import ADCODE, Box, House, open_house
from tests.rules.short_rules import BOOK, short_rulebook
from tests.waiting import eventually
from transport.loop import MqttLoop

pytestmark = pytest.mark.integration

CLOCK = WallClock()
Said = tuple[str, str, int, int, bool, str | None]
MOMENT_MS = 250


@pytest.fixture
def house(tmp_path: Path, sqlite_url: str) -> Iterator[House]:
    with open_house(tmp_path / "var", sqlite_url) as house:
        with house.database.write() as connection:
            rulebooks.add(connection, BOOK, "test", 1)
        house.gateway()
        yield house


@pytest.fixture
def loop() -> Iterator[MqttLoop]:
    loop = MqttLoop("boxes")
    loop.start()
    yield loop
    loop.stop(5)


class Storyteller:
    """Lets stations say things at chosen moments of real time."""

    def __init__(self, house: House, loop: MqttLoop) -> None:
        self.begun_ms = CLOCK.now_ms()
        self.boxes = [Box(house, loop, number) for number in (1, 2)]
        for box in self.boxes:
            box.online()

    def wait_until(self, after_s: float) -> None:
        until_ms = self.begun_ms + round(after_s * 1000)
        eventually(lambda: CLOCK.now_ms() >= until_ms, 20, saying="the moment comes")

    def tell(self, rng: random.Random) -> None:
        """One thing, about anything."""
        box = rng.choice(self.boxes)
        late_ms = rng.choice((0, 0, 0, 0, 90_000))
        what = rng.randrange(5)
        if what == 0:
            slots = [
                {"n": n, "temp_c": rng.choice((30.0, 58.0, 61.0, 80.0))} for n in rng.sample(range(1, 4), 2)
            ]
            self._say(box, "swap_cabinet", late_ms, smoke=rng.random() < 0.1, slots=slots)
        elif what == 1:
            leaf = rng.choice(("open", "closed"))
            self._say(box, "door_lock", late_ms, leaf=leaf, bolt="locked", mode="normal")
        elif what == 2:
            self._say(box, "occupancy_sensor", late_ms, count_raw=rng.randrange(-1, 7), presence=True)
        elif what == 3:
            self._say(box, "door_lock", late_ms, type=rng.choice(("opened", "closed", "forced")))
        else:
            self._say(box, "swap_cabinet", late_ms, type="runaway", slot=rng.randint(1, 3))

    @staticmethod
    def _say(box: Box, kind: str, late_ms: int, **content: Any) -> None:
        body = box.envelope(**content)
        body["ts"] -= late_ms
        address = topics.event if "type" in content else topics.telemetry
        seq = box.say(address(ADCODE, box.device(kind)), body)
        eventually(lambda: box.promised(seq), 5, saying="the hub keeps it")


def without_time(said: Said) -> tuple[str, ...]:
    code, device, part, _, ended, reason = said
    return code, device, str(part), str(ended), str(reason)


def in_order(said: Said) -> tuple[tuple[str, ...], int]:
    return without_time(said), said[3]


def raised(house: House) -> set[Said]:
    rows = house.rows(
        "SELECT code, station, kind, n, part, happened_ms, resolved_ms, resolved_reason FROM alert"
    )
    return {(r[0], f"{r[1]}/{r[2]}/{r[3]}", r[4], r[5], r[6] is not None, r[7]) for r in rows}


def would_raise(house: House, from_ms: int) -> tuple[Tally, set[Said]]:
    found: set[Said] = set()

    class Noting(Tally):
        def note(self, side: Any, adcode: str, episode: Any) -> None:
            alert = episode.alert
            if side in ("both", "before"):
                reason = episode.reason
                ended = episode.ended_ms is not None
                found.add((alert.code, str(alert.device), alert.part, alert.happened_ms, ended, reason))
            super().note(side, adcode, episode)

    book = Books(short_rulebook())
    period = Period(from_ms, CLOCK.now_ms())
    return backtest(house.database, book, book, period, tally=Noting(period.to_ms)), found


@pytest.mark.parametrize("seed", [1, 2])
def test_a_back_test_raises_what_the_gateway_raised(house: House, loop: MqttLoop, seed: int) -> None:
    rng = random.Random(seed)
    story = Storyteller(house, loop)
    after_s = 0.5
    for _ in range(14):
        story.wait_until(after_s)
        story.tell(rng)
        # Nothing is said near the moment at which a `for` of one second ends.
        after_s += rng.choice((0.0, 0.15, 0.4, 0.4, 1.7))
    # Both boxes have been silent for five seconds by then, however long the hub took for the last word.
    story.wait_until((CLOCK.now_ms() - story.begun_ms) / 1000 + 6.5)
    house.stop_gateways()

    tally, again = would_raise(house, story.begun_ms)

    alive = raised(house)
    assert sorted(map(without_time, alive)) == sorted(map(without_time, again))
    for one, other in zip(sorted(alive, key=in_order), sorted(again, key=in_order), strict=True):
        # The gateway judges a message some moments after it came; a back-test, when it came.
        assert abs(one[3] - other[3]) <= MOMENT_MS, (one, other)
    assert tally.alerts("before") == tally.alerts("after") == len(alive)
    assert {"box_quiet", "leaf_open", "forced"} & {code for code, *_ in alive}
