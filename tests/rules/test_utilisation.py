"""Time that was up, down, unknown or closed is all the time there is, and each kind is what was said."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from devices.registry import kinds
from domain.facts import Value
from rules.amenities import Circumstances, Record, person_ms, record_of, spans_of
from rules.utilisation import (
    Claim,
    Span,
    Uptime,
    Verdict,
    counted,
    dwell_min,
    either,
    over,
    timeline,
    uptime,
)

END = 1000
VERDICTS: st.SearchStrategy[Verdict] = st.sampled_from(["up", "down", "unknown"])
CLAIMS = st.lists(
    st.builds(Claim, st.integers(-200, 1200), st.integers(-200, 1500), VERDICTS), max_size=12
).map(sorted)
PERIODS = st.lists(st.tuples(st.integers(-100, 1100), st.integers(-100, 1100)), max_size=4)


class Said(NamedTuple):
    """A message, as rules see it."""

    at_ms: int
    fields: dict[str, Value]
    parts: dict[int, dict[str, Value]] = {}


def _covers(spans: list[Span]) -> bool:
    edges = [0, *(span.to_ms for span in spans)]
    return edges[-1] == END and [span.from_ms for span in spans] == edges[:-1]


@given(st.lists(CLAIMS, min_size=1, max_size=3), PERIODS, PERIODS)
def test_up_and_down_and_unknown_and_closed_make_the_whole_period(
    devices: list[list[Claim]], closed: list[tuple[int, int]], down: list[tuple[int, int]]
) -> None:
    spans = either([timeline(claims, 0, END) for claims in devices])
    assert _covers(spans)
    open_time = uptime(spans, 0, END)
    assert open_time.up_ms + open_time.down_ms + open_time.unknown_ms == END
    laid = over(over(spans, down, "down"), closed, "closed")
    assert _covers(laid)
    assert uptime(laid, 0, END).total_ms == END
    assert uptime(laid, 0, END).closed_ms == len(
        {ms for a, b in closed for ms in range(max(a, 0), min(b, END))}
    )


@given(CLAIMS, st.lists(st.integers(0, END), max_size=5).map(sorted))
def test_the_uptime_of_the_pieces_is_the_uptime_of_the_whole(claims: list[Claim], cuts: list[int]) -> None:
    spans = timeline(claims, 0, END)
    edges = [0, *cuts, END]
    pieces = [uptime(spans, a, b) for a, b in pairwise(edges)]
    whole = Uptime()
    for piece in pieces:
        whole = whole.plus(piece)
    assert whole == uptime(spans, 0, END)


@given(st.lists(CLAIMS, min_size=1, max_size=3))
def test_a_second_device_never_makes_a_station_worse(devices: list[list[Claim]]) -> None:
    together = uptime(either([timeline(claims, 0, END) for claims in devices]), 0, END)
    for claims in devices:
        assert together.up_ms >= uptime(timeline(claims, 0, END), 0, END).up_ms


def test_a_claim_ends_with_the_next_one_or_when_nobody_may_believe_it_any_longer() -> None:
    spans = timeline([Claim(-50, 30, "up"), Claim(100, 400, "down"), Claim(200, 300, "up")], 0, END)
    assert spans == [
        Span(0, 30, "up"),
        Span(30, 100, "unknown"),
        Span(100, 200, "down"),
        Span(200, 300, "up"),
        Span(300, END, "unknown"),
    ]


def test_shares_leave_out_what_is_not_known_and_what_was_not_meant_to_be() -> None:
    assert Uptime(30, 10, 60, 900).up_share == 0.75
    assert Uptime(30, 10, 60, 900).known_share == 0.4
    assert Uptime(0, 0, 0, 900).up_share is None
    assert Uptime(0, 0, 60, 0).known_share == 0


def test_a_counter_that_begins_again_goes_on_counting() -> None:
    assert counted([]) == counted([7]) == 0
    assert counted([5, 7, 7, 9, 1, 3]) == 4 + 1 + 2


def test_dwell_is_the_time_inside_by_the_visits() -> None:
    assert dwell_min(600_000, 4) == 2.5
    assert dwell_min(600_000, 0) is None
    assert dwell_min(600_000, None) is None


def _spans(kind: str, said: list[Said], around: Circumstances | None = None) -> dict[str, list[Span]]:
    records = [record_of(kinds()[kind], said)]
    found = spans_of(records, around or Circumstances(), 0, 1_000_000)
    return {str(amenity): spans for amenity, spans in found.items()}


def test_a_jammed_door_is_down_and_a_silent_one_is_unknown() -> None:
    said = [Said(0, {"bolt": "locked", "mode": "normal"}), Said(100_000, {"bolt": "jammed"})]
    assert _spans("door_lock", said)["door"] == [
        Span(0, 100_000, "up"),
        Span(100_000, 400_000, "down"),
        Span(400_000, 1_000_000, "unknown"),
    ]


def test_a_door_in_maintenance_is_reachable_but_the_station_is_not_open() -> None:
    spans = _spans("door_lock", [Said(0, {"bolt": "locked", "mode": "maintenance"})])
    assert (spans["door"][0].verdict, spans["open"][0].verdict) == ("up", "down")


def test_an_alarm_that_keeps_people_out_takes_the_batteries_too_but_not_the_door() -> None:
    full = [Said(0, {}, {1: {"state": "full"}, 2: {"state": "charging"}})]
    around = Circumstances(refused=[(50_000, 90_000)], closed=[(80_000, 2_000_000)])
    assert _spans("swap_cabinet", full, around)["batteries"] == [
        Span(0, 50_000, "up"),
        Span(50_000, 80_000, "down"),
        Span(80_000, 1_000_000, "closed"),
    ]
    door = _spans("door_lock", [Said(0, {"bolt": "locked"})], Circumstances(refused=[(0, 90_000)]))
    assert door["door"][0].verdict == "up"
    assert door["open"][0] == Span(0, 90_000, "down")


def test_no_full_battery_is_down() -> None:
    said = [Said(0, {}, {1: {"state": "full"}}), Said(60_000, {}, {1: {"state": "empty"}})]
    assert [span.verdict for span in _spans("swap_cabinet", said)["batteries"]] == ["up", "down", "unknown"]


def test_an_empty_or_broken_dispenser_gives_no_water() -> None:
    said = [
        Said(0, {"state": "idle", "tank_level_pct": 60.0}),
        Said(100_000, {"state": "idle", "tank_level_pct": 2.0}),
        Said(200_000, {"state": "fault", "tank_level_pct": 70.0}),
        Said(300_000, {"state": "idle", "tank_level_pct": 70.0}),
    ]
    assert _spans("water_dispenser", said)["water"] == [
        Span(0, 100_000, "up"),
        Span(100_000, 300_000, "down"),
        Span(300_000, 600_000, "up"),
        Span(600_000, 1_000_000, "unknown"),
    ]


def test_a_stuck_counter_knows_no_seats() -> None:
    said = [Said(0, {"count_raw": 3, "presence": True})]
    spans = _spans("occupancy_sensor", said, Circumstances(stuck=[(0, 100_000)]))["seats"]
    assert [span.verdict for span in spans] == ["down", "up", "unknown"]


def test_people_inside_are_counted_only_while_that_is_known() -> None:
    said = [Said(0, {"count_raw": 2, "presence": True}), Said(60_000, {"count_raw": 3, "presence": True})]
    records: list[Record] = [record_of(kinds()["occupancy_sensor"], said)]
    assert person_ms(records, 0, 1_000_000) == (2 * 60_000 + 3 * 180_000, 240_000)
    assert person_ms(records, 30_000, 60_000) == (60_000, 30_000)
