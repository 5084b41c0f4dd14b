"""What is true of a station now, how it is known, and how long that may be said."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from domain.facts import StationFact
from rules.availability import Claim, Seats, Water, availability
from rules.calendar import Calendar
from rules.station_view import StationInfo, StationView, Timetables

CHINA = timezone(timedelta(hours=8))
TIMETABLES = Timetables(Calendar())


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=CHINA).timestamp() * 1000)


NOON = ms("2026-11-23 12:00")
EVENING = ms("2026-11-23 19:45")
MINUTE = 60_000
SMOKE = {"code": "cabinet_smoke", "since_ms": NOON}
INFO = StationInfo("331002-0001", "331002", "Mo-Su 08:00-20:00", capacity=8, equipped=True)


def view(**changed: Any) -> StationView:
    """A door, a sensor and a cabinet that spoke a minute ago; `people=…`, `mode=…` and so on change that."""
    heard = changed.pop("heard_ms", NOON - MINUTE)
    fact = {"bolt": "locked", "leaf": "closed", "mode": "normal", "people": 3, "full_batteries": 7, **changed}
    link = fact.pop("link", "online")
    lockdown = fact.pop("lockdown", None)
    alerts = fact.pop("alerts", [])

    def told(*names: str, fresh_s: int) -> dict[str, list[Any]]:
        return {name: [fact[name], heard, heard + fresh_s * 1000] for name in names}

    return StationView.from_facts_json(
        {
            "devices": {
                "door_lock/1": told("bolt", "leaf", "mode", fresh_s=300),
                "occupancy_sensor/1": told("people", fresh_s=180),
                "swap_cabinet/1": told("full_batteries", fresh_s=180),
            },
            "lockdown": lockdown,
            "link": {"station/0": [link, heard]},
            "alerts": alerts,
        }
    )


def test_a_station_whose_door_speaks_is_open_live_with_its_age_and_end() -> None:
    now = availability(INFO, view(), NOON, TIMETABLES)
    assert (now.state, now.basis, now.link) == ("open", "live", "online")
    assert now.until_ms == ms("2026-11-23 20:00")
    assert (now.as_of_ms, now.valid_until_ms) == (NOON - MINUTE, NOON + 4 * MINUTE)
    assert now.seats == Seats("plenty", 5, NOON - MINUTE, NOON + 2 * MINUTE)
    assert now.batteries == Claim(7, NOON - MINUTE, NOON + 2 * MINUTE)
    assert now.next_change_ms == NOON + 2 * MINUTE


@pytest.mark.parametrize(
    "info, told, at, state, basis",
    [
        # Hours.
        ({}, {}, "2026-11-23 07:59", "closed", "timetable"),
        ({}, {"heard_ms": ms("2026-11-23 19:30")}, "2026-11-23 19:30", "closing", "live"),
        ({}, {"heard_ms": ms("2026-11-23 19:29")}, "2026-11-23 19:29", "open", "live"),
        ({"night_hours": "Mo-Su 20:00-08:00"}, {"heard_ms": EVENING}, "2026-11-23 19:45", "open", "live"),
        ({"hours": "no idea"}, {}, "2026-11-23 12:00", "unknown", "timetable"),
        # The ledger.
        ({"status": "paused"}, {}, "2026-11-23 12:00", "out", "timetable"),
        ({"status": "rebuilding"}, {}, "2026-11-23 03:00", "out", "timetable"),
        # Safety goes before everything.
        ({"status": "paused"}, {"lockdown": SMOKE}, "2026-11-23 03:00", "safety", "live"),
        ({}, {"mode": "fire_release"}, "2026-11-23 12:00", "safety", "live"),
        # The door's own mode.
        ({}, {"mode": "maintenance"}, "2026-11-23 12:00", "out", "live"),
        ({}, {"mode": "free_access"}, "2026-11-23 12:00", "open", "live"),
        # A jammed bolt is for the crew; the station is not closed by it.
        ({}, {"bolt": "jammed"}, "2026-11-23 12:00", "open", "live"),
        # Full only on a fresh count that nobody doubts.
        ({}, {"people": 8}, "2026-11-23 12:00", "full", "live"),
        ({}, {"people": None}, "2026-11-23 12:00", "open", "live"),
        ({}, {"people": 8}, "2026-11-23 12:02", "open", "live"),
        ({}, {"people": 8, "alerts": ["occupancy_stuck"]}, "2026-11-23 12:00", "open", "live"),
        ({"capacity": None}, {"people": 80}, "2026-11-23 12:00", "open", "live"),
        # Unknown is neither closed nor broken.
        ({}, {}, "2026-11-23 12:04", "unknown", "live"),
        ({}, {"link": "offline"}, "2026-11-23 12:00", "unknown", "live"),
        ({}, {"link": "unknown"}, "2026-11-23 12:00", "open", "live"),
        ({}, {}, "2026-11-23 21:00", "closed", "timetable"),
    ],
)  # fmt: skip
def test_the_state_of_a_station(
    info: dict[str, Any], told: dict[str, Any], at: str, state: str, basis: str
) -> None:
    now = availability(replace(INFO, **info), view(**told), ms(at), TIMETABLES)
    assert (now.state, now.basis) == (state, basis)


def test_the_air_is_the_newest_word_that_still_counts() -> None:
    def seen(*told: StationFact) -> StationView:
        return StationView(devices={f"climate_sensor/{n}": {"temp_c": one} for n, one in enumerate(told, 1)})

    old = StationFact(19.0, NOON - 9 * MINUTE, NOON - 4 * MINUTE)
    fresh = StationFact(26.0, NOON - MINUTE, NOON + 4 * MINUTE)
    broken = StationFact(None, NOON, NOON + 5 * MINUTE)
    assert availability(INFO, seen(old, fresh, broken), NOON, TIMETABLES).air == Claim(
        26, NOON - MINUTE, NOON + 4 * MINUTE
    )
    assert availability(INFO, seen(old), NOON, TIMETABLES).air == Claim(None, NOON - 9 * MINUTE, None)
    assert availability(INFO, StationView(), NOON, TIMETABLES).air is None


def test_a_station_without_devices_follows_its_plan() -> None:
    info = replace(INFO, equipped=False)
    now = availability(info, StationView(), NOON, Calendar())
    assert (now.state, now.basis, now.link) == ("plan", "timetable", "unknown")
    assert (now.as_of_ms, now.valid_until_ms) == (NOON, ms("2026-11-23 20:00"))
    assert (now.seats, now.batteries, now.people) == (Seats("none"), None, None)
    shut = availability(info, StationView(), ms("2026-11-23 21:00"), Calendar())
    assert (shut.state, shut.opens_ms) == ("closed", ms("2026-11-24 08:00"))


def test_a_station_whose_devices_never_spoke_is_unknown_and_not_planned() -> None:
    assert availability(INFO, StationView(), NOON, TIMETABLES).state == "unknown"


def test_no_claim_of_a_sensor_outlives_its_end() -> None:
    told = view()
    now = availability(INFO, told, NOON, TIMETABLES)
    for minute in range(30):
        now_ms = NOON + minute * MINUTE
        now = availability(INFO, told, now_ms, TIMETABLES)
        for value, until_ms in (
            (now.seats.free, now.seats.valid_until_ms),
            (
                now.batteries.value if now.batteries else None,
                now.batteries.valid_until_ms if now.batteries else None,
            ),
            ("open" if now.state == "open" else None, now.valid_until_ms),
        ):
            assert value is None or (until_ms is not None and until_ms > now_ms)
    assert now.seats.level == "unknown"
    assert now.state == "unknown"


def test_while_something_burns_there_are_no_batteries_to_fetch() -> None:
    since = NOON - 5 * MINUTE
    now = availability(INFO, view(lockdown={"code": "battery_runaway", "since_ms": since}), NOON, TIMETABLES)
    assert (now.reason, now.as_of_ms, now.valid_until_ms) == ("battery_runaway", since, None)
    assert now.batteries is not None
    assert now.batteries.value is None


def test_a_paused_station_says_why_and_until_when() -> None:
    info = replace(INFO, status="paused", status_reason="检修", status_until="2026-12-01")
    now = availability(info, view(), NOON, TIMETABLES)
    assert (now.state, now.reason, now.until_ms) == ("out", "检修", ms("2026-12-01 00:00"))


@pytest.mark.parametrize(
    "people, level, free",
    [
        (0, "plenty", None),
        (2, "plenty", None),
        (3, "plenty", 5),
        (6, "few", 2),
        (7, "few", 1),
        (8, "full", 0),
    ],
)
def test_the_public_learns_of_seats_but_never_that_somebody_is_alone(
    people: int, level: str, free: int | None
) -> None:
    told = availability(INFO, view(people=people), NOON, TIMETABLES).public()
    assert (told.seats.level, told.seats.free, told.people) == (level, free, None)


def test_one_silent_cabinet_of_two_leaves_what_the_other_has() -> None:
    one = view()
    facts = dict(one.devices)
    facts["swap_cabinet/2"] = {
        "full_batteries": one.devices["swap_cabinet/1"]["full_batteries"]._replace(valid_until_ms=NOON)
    }
    now = availability(INFO, replace(one, devices=facts), NOON, TIMETABLES)
    assert now.batteries is not None
    assert now.batteries.value == 7


def test_two_counters_of_which_one_is_silent_count_nobody() -> None:
    one = view()
    facts = dict(one.devices)
    facts["occupancy_sensor/2"] = {
        "people": one.devices["occupancy_sensor/1"]["people"]._replace(valid_until_ms=NOON)
    }
    assert availability(INFO, replace(one, devices=facts), NOON, TIMETABLES).seats.level == "unknown"


def test_the_next_look_comes_when_the_hours_change_or_closing_begins() -> None:
    info = replace(INFO, equipped=False)
    assert availability(info, StationView(), NOON, TIMETABLES).next_change_ms == ms("2026-11-23 19:30")
    late = ms("2026-11-23 19:40")
    assert availability(info, StationView(), late, TIMETABLES).next_change_ms == ms("2026-11-23 20:00")
    around = replace(info, hours="24/7")
    assert availability(around, StationView(), NOON, TIMETABLES).next_change_ms is None


def water_view(*levels: str | None, heard_ms: int = NOON - MINUTE, **more: Any) -> StationView:
    """A station whose dispensers said these levels."""
    said = {
        f"water_dispenser/{n}": {"water": [level, heard_ms + n, heard_ms + n + 5 * MINUTE]}
        for n, level in enumerate(levels)
    }
    return StationView.from_facts_json({"devices": said, "link": {"station/0": ["online", heard_ms]}, **more})


def test_water_is_told_with_its_age_and_its_end() -> None:
    now = availability(INFO, water_view("hot"), NOON, TIMETABLES)
    assert now.water == Water("hot", NOON - MINUTE, NOON + 4 * MINUTE)
    assert availability(INFO, view(), NOON, TIMETABLES).water is None, "no dispenser is not a dry one"


def test_water_of_which_nothing_was_heard_for_long_is_unknown_and_not_off() -> None:
    now = availability(INFO, water_view("hot", heard_ms=NOON - 6 * MINUTE), NOON, TIMETABLES)
    assert now.water == Water("unknown", NOON - 6 * MINUTE, None)
    now = availability(INFO, water_view(None), NOON, TIMETABLES)
    assert now.water == Water("unknown", NOON - MINUTE, None)


def test_of_two_dispensers_the_better_one_is_told() -> None:
    now = availability(INFO, water_view("empty", "ok"), NOON, TIMETABLES)
    assert now.water is not None
    assert now.water.level == "ok"


@pytest.mark.parametrize("code", ["water_quality", "water_leak", "dry_burn", "filter_overdue"])
def test_while_its_water_is_doubted_nobody_is_sent_there_to_drink(code: str) -> None:
    now = availability(INFO, water_view("hot", alerts=[code]), NOON, TIMETABLES)
    assert now.water is not None
    assert now.water.level == "off"


def test_while_something_burns_nothing_is_said_of_water() -> None:
    now = availability(INFO, water_view("hot", lockdown=SMOKE), NOON, TIMETABLES)
    assert now.water is not None
    assert now.water.level == "unknown"
