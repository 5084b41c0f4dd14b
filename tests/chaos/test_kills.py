"""Processes are killed at random moments while stations talk: promise 1, counted in kills."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.chaos import ledger
from tests.chaos.town import town
from tests.gateway.gateway_process import GatewayProcess
from tests.gateway.house import House, open_house, station_id
from tests.waiting import eventually

KILLS = int(os.environ.get("WAYSTATION_TEST_KILLS", "20"))
SEED = int(os.environ.get("WAYSTATION_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)
STATIONS = 8
MESSAGES_PER_S = 25.0

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(120 + 12 * KILLS)]


def kill_broker(house: House) -> None:
    pid = house.broker.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert house.broker.wait(10)


def test_nothing_acknowledged_is_lost_or_doubled_whatever_is_killed(
    tmp_path: Path, database_url: str
) -> None:
    rng = random.Random(SEED)
    began_s = time.monotonic()
    with open_house(tmp_path / "var", database_url, STATIONS) as house:
        gateway = GatewayProcess(house)
        gateway.start()
        try:
            gateway.wait_until_it_hears()
            with town(house, STATIONS, SEED, MESSAGES_PER_S) as people:
                people.stations[1].mischief.duplicates = True
                people.stations[2].mischief.reorder_within_s = 0.5
                people.stations[3].mischief.lose_every = 40
                people.stations[4].mischief.garble_every = 60
                killed = {"gateway": 0, "broker": 0}
                forced = {rng.randrange(KILLS): n for n in range(STATIONS // 2)}
                hot = {rng.randrange(KILLS): n for n in range(STATIONS // 2, STATIONS)}
                for kill in range(KILLS):
                    time.sleep(rng.uniform(0.3, 3.5))
                    if kill in forced:
                        people.stations[forced[kill]].pry_open()
                    if kill in hot:
                        people.stations[hot[kill]].overheat()
                    time.sleep(rng.choice((0.0, 0.0, 0.02, 0.1)))
                    victim = rng.choice(("gateway", "gateway", "broker", "both"))
                    if victim in ("gateway", "both"):
                        gateway.kill()
                        killed["gateway"] += 1
                    if victim in ("broker", "both"):
                        kill_broker(house)
                        killed["broker"] += 1
                        time.sleep(rng.uniform(0, 0.5))
                        house.broker.start()
                    if victim in ("gateway", "both"):
                        gateway.start()
                time.sleep(1)
                people.fall_silent()
                eventually(lambda: people.held == 0, 90, saying="every buffer is empty")
                gateway.wait_until_it_hears()
                promised = set(people.promised())
                said, sendings, dropped = people.said, people.sendings, people.given_up
        finally:
            gateway.kill()
        seconds = time.monotonic() - began_s
        kept = sum(ledger.rows_of_messages(house).values())
        print(
            f"\nseed {SEED}, {database_url.split(':')[0]}: {sum(killed.values())} kills "
            f"({killed['gateway']} gateway, {killed['broker']} broker) in {seconds:.0f} s, {said} messages, "
            f"{len(promised)} acknowledged, {dropped} given up by stations, "
            f"{sendings - kept} copies removed, {kept} rows"
        )
        again = f"WAYSTATION_TEST_SEED={SEED} WAYSTATION_TEST_KILLS={KILLS} repeats it"
        lost = ledger.missing(house, promised)
        assert not lost, f"{len(lost)} acknowledged messages have no row, such as {lost[:5]}; {again}"
        doubled = ledger.doubled(house)
        assert not doubled, f"{len(doubled)} messages have several rows, such as {doubled[:5]}; {again}"
        assert not ledger.open_twice(house), again
        assert not ledger.notices_per_alert(house), again
        doors = [station_id(n + 1) for n in sorted(forced.values())]
        assert [(row[0], bool(row[2]), row[3]) for row in ledger.alerts(house, "door_forced")] == [
            (station, True, 1) for station in doors
        ], again
        cabinets = [station_id(n + 1) for n in sorted(hot.values())]
        assert [(row[0], bool(row[2]), row[3]) for row in ledger.alerts(house, "battery_runaway")] == [
            (station, True, 1) for station in cabinets
        ], again
