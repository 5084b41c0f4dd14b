"""Where else to go: the nearest that is really open, and nothing of it that is nobody's business."""

from __future__ import annotations

from dataclasses import replace

from rules.availability import Availability, Claim, Seats
from rules.nearby import Nearby, Place, distance_m, nearest_open

NOW = 1_795_467_427_000
HERE = ("331002-0001", 28.66, 121.42)
OPEN = Availability(
    "open", "live", None, None, None, Seats("plenty", 6, NOW, NOW + 60_000), None,
    Claim(4, NOW, NOW + 60_000), "online", NOW, NOW + 60_000, None,
)  # fmt: skip


def place(n: int, *, north_km: float = 0.0, told: Availability = OPEN) -> Place:
    return Place(f"331002-{n:04}", 28.66 + north_km / 111.195, 121.42, told)


def found(*places: Place, now_ms: int = NOW) -> Nearby | None:
    return nearest_open(*HERE, places, now_ms)


def test_the_nearest_open_one_is_taken_in_any_order() -> None:
    near, far = place(2, north_km=1.2), place(3, north_km=-3.0)
    for order in ((near, far), (far, near)):
        assert found(place(1), *order) == Nearby("331002-0002", 1200, OPEN.seats)


def test_one_that_is_full_closed_unknown_paused_unsafe_or_about_to_close_is_passed_over() -> None:
    for state in ("full", "closed", "unknown", "out", "safety", "closing"):
        shut = place(2, north_km=0.1, told=replace(OPEN, state=state))
        answer = found(shut, place(3, north_km=5))
        assert answer is not None
        assert answer.id == "331002-0003", state


def test_a_timetable_is_enough() -> None:
    by_timetable = replace(OPEN, state="plan", basis="timetable", seats=Seats("none"), people=None)
    answer = found(place(2, told=by_timetable))
    assert answer == Nearby("331002-0002", 0, Seats("none"))


def test_what_is_too_old_promises_nothing() -> None:
    assert found(place(2), now_ms=NOW + 60_001) is None
    told = replace(OPEN, valid_until_ms=NOW + 600_000)
    answer = found(place(2, told=told), now_ms=NOW + 60_001)
    assert answer is not None
    assert (answer.seats.level, answer.seats.free) == ("unknown", None)


def test_farther_than_twenty_kilometres_is_nowhere() -> None:
    assert found(place(2, north_km=20.1)) is None
    assert found(place(2, north_km=19.9)) is not None


def test_a_lone_person_there_is_not_given_away() -> None:
    lone = replace(OPEN, people=Claim(1, NOW, NOW + 60_000))
    answer = found(place(2, told=lone))
    assert answer is not None
    assert (answer.seats.level, answer.seats.free) == ("plenty", None)


def test_distances_in_zhejiang_are_right_to_a_hundredth() -> None:
    hangzhou_to_shaoxing = distance_m(30.2741, 120.1551, 29.9971, 120.5822)
    assert abs(hangzhou_to_shaoxing - 51_400) < 514
