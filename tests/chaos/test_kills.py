"""Processes are killed at random moments while stations talk: promise 1, counted in kills."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runtime.cli import SHARD_LOST
from tests.chaos import ledger
from tests.chaos.town import Town, town
from tests.gateway.gateway_process import GatewayProcess
from tests.gateway.house import House, open_house, station_id
from tests.waiting import eventually

KILLS = int(os.environ.get("WAYSTATION_TEST_KILLS", "20"))
SEED = int(os.environ.get("WAYSTATION_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)
STATIONS = 8
MESSAGES_PER_S = 25.0
WAYS = ("gateway", "gateway", "broker", "both", "replaced", "station")

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(150 + 15 * KILLS)]


class Killer:
    """Kills, replaces and starts again; counts what it did."""

    def __init__(self, house: House, rng: random.Random) -> None:
        self._house = house
        self._rng = rng
        self.gateway = GatewayProcess(house)
        self.counts: Counter[str] = Counter()

    def strike(self, people: Town) -> None:
        """One kill of some kind, and everything runs again."""
        way = self._rng.choice(WAYS)
        self.counts[way] += 1
        if way == "replaced":
            first, self.gateway = self.gateway, GatewayProcess(self._house)
            self.gateway.start()
            assert first.exit_code(60) in (SHARD_LOST, -signal.SIGKILL)
        elif way == "station":
            self._rng.choice(people.stations).lose_power()
        else:
            if way != "broker":
                self.gateway.kill()
            if way != "gateway":
                self._kill_broker()
                time.sleep(self._rng.uniform(0, 0.5))
                self._house.broker.start()
            if way != "broker":
                self.gateway.start()

    def _kill_broker(self) -> None:
        pid = self._house.broker.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert self._house.broker.wait(10)


@contextmanager
def killer(house: House, rng: random.Random) -> Iterator[Killer]:
    """A gateway that is up, and somebody who will kill it; nothing runs on afterwards."""
    one = Killer(house, rng)
    try:
        one.gateway.start()
        one.gateway.wait_until_it_hears()
        yield one
    finally:
        one.gateway.kill()


def test_nothing_acknowledged_is_lost_or_doubled_whatever_is_killed(
    tmp_path: Path, migrated_url: str
) -> None:
    rng = random.Random(SEED)
    print(f"\nWAYSTATION_TEST_SEED={SEED} WAYSTATION_TEST_KILLS={KILLS} repeats this")
    began_s = time.monotonic()
    forced = {rng.randrange(KILLS): n for n in range(STATIONS // 2)}
    hot = {rng.randrange(KILLS): n for n in range(STATIONS // 2, STATIONS)}
    with open_house(tmp_path / "var", migrated_url, STATIONS) as house:
        with killer(house, rng) as death, town(house, STATIONS, SEED, MESSAGES_PER_S) as people:
            people.stations[0].mischief.duplicates = True
            people.stations[1].mischief.reorder_within_s = 0.5
            people.stations[2].mischief.lose_every = 40
            people.stations[3].mischief.garble_every = 60
            for kill in range(KILLS):
                time.sleep(rng.uniform(0.3, 3.5))
                if kill in forced:
                    people.stations[forced[kill]].pry_open()
                if kill in hot:
                    people.stations[hot[kill]].overheat()
                time.sleep(rng.choice((0.0, 0.0, 0.02, 0.1)))
                death.strike(people)
            time.sleep(1)
            people.fall_silent()
            eventually(lambda: people.held == 0, 120, saying="every buffer is empty")
            death.gateway.wait_until_it_hears()
            promised = set(people.promised())
        rows = ledger.rows_of_messages(house)
        counts = ", ".join(f"{count} {way}" for way, count in sorted(death.counts.items()))
        print(
            f"{house.database.dialect}: {KILLS} kills ({counts}) in {time.monotonic() - began_s:.0f} s; "
            f"{people.said} messages, {len(promised)} acknowledged, {people.given_up} given up by stations, "
            f"{people.sendings - sum(rows.values())} copies removed, {sum(rows.values())} rows"
        )
        lost = ledger.missing(house, promised)
        assert not lost, f"{len(lost)} acknowledged messages have no row, such as {lost[:5]}"
        doubled = ledger.doubled(house)
        assert not doubled, f"{len(doubled)} messages have several rows, such as {doubled[:5]}"
        assert ledger.stale_states(house) == []
        assert ledger.open_twice(house) == []
        assert ledger.notices_per_alert(house) == []
        for code, where in (("door_forced", forced), ("battery_runaway", hot)):
            stations = [station_id(n + 1) for n in sorted(where.values())]
            told = [(row[0], bool(row[2]), row[3]) for row in ledger.alerts(house, code)]
            assert told == [(station, True, 1) for station in stations], code
