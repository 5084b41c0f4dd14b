"""Boxes that say a little of everything, and what is asked of the database afterwards."""

from __future__ import annotations

from collections.abc import Callable

from tests.gateway.house import House
from tests.gateway.keeping_box import KeepingBox

OCCUPANCY, DOOR, CABINET = "occupancy_sensor", "door_lock", "swap_cabinet"


def everything(*boxes: KeepingBox) -> set[tuple[str, str, int]]:
    return {(box.station, box.boot, seq) for box in boxes for seq in range(box.said)}


def alert_codes(house: House) -> list[str]:
    return [row[0] for row in house.rows("SELECT code FROM alert ORDER BY code")]


def has_caught_up(house: House) -> Callable[[], bool]:
    return lambda: bool(
        house.rows("SELECT 1 FROM worker WHERE quick_since_ms IS NOT NULL AND bulk_since_ms IS NOT NULL")
    )


def chat(*boxes: KeepingBox, rounds: int = 10) -> None:
    for count in range(rounds):
        for box in boxes:
            box.say(OCCUPANCY, "telemetry", {"count_raw": count})
            box.say(DOOR, "event", {"type": "inside_button"})
        if count % 5 == 0:
            for box in boxes:
                box.say(CABINET, "telemetry", {"smoke": False})
