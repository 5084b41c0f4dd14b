"""Figures add up by county, the worst station is named first, and what is published names nobody."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rules.health import battery_health, filter_life, jam_rate
from rules.station_figures import Figures, StationFigures, by_county, together, worst_first
from rules.utilisation import Uptime

TIMES = st.builds(Uptime, *[st.integers(0, 10**9)] * 4)
SOME = st.builds(
    Figures,
    uptime=st.dictionaries(st.sampled_from(["open", "door", "water"]), TIMES),
    visits=st.none() | st.integers(0, 10**6),
    person_ms=st.integers(0, 10**9),
    openings=st.integers(0, 1000),
    jams=st.integers(0, 1000),
    received=st.integers(0, 1000),
    expected=st.integers(0, 1000),
    filter_days=st.none() | st.floats(0, 400),
)


def _station(id_: str, figures: Figures) -> StationFigures:
    return StationFigures(id_, id_, id_[:6], figures)


@given(st.lists(st.tuples(st.sampled_from(["331002", "331003", "330102"]), SOME), min_size=1, max_size=8))
def test_all_counties_together_are_all_stations_together(found: list[tuple[str, Figures]]) -> None:
    stations = [_station(f"{county}-{at:04d}", one) for at, (county, one) in enumerate(found)]
    assert together(by_county(stations).values()) == together(one.figures for one in stations)


@given(SOME, SOME)
def test_minutes_of_two_are_the_minutes_of_both(one: Figures, other: Figures) -> None:
    for amenity, times in one.plus(other).uptime.items():
        alone = [figures.uptime[amenity].total_ms for figures in (one, other) if amenity in figures.uptime]
        assert times.total_ms == sum(alone)


def test_the_worst_is_the_one_that_was_surely_open_for_the_least_of_its_time() -> None:
    stations = [
        _station("331002-0001", Figures(uptime={"open": Uptime(up_ms=90, unknown_ms=10)})),
        _station("331002-0002", Figures(uptime={"open": Uptime(up_ms=50, down_ms=50)})),
        _station("331002-0003", Figures(uptime={"open": Uptime(up_ms=10, unknown_ms=90)})),
        _station("331002-0004", Figures(uptime={"open": Uptime(closed_ms=100)})),
        _station("331002-0005", Figures(silent=1)),
    ]
    assert [one.id[-1] for one in worst_first(stations)] == ["5", "3", "2", "1", "4"]


def test_few_visits_are_published_neither_as_a_number_nor_as_a_length() -> None:
    for visits in (0, 1, 2):
        told = Figures(visits=visits, counting=1, person_ms=900_000, openings=1, jams=1, swaps=1).published()
        assert told == Figures(few=True)
    many = Figures(visits=3, counting=1, person_ms=900_000)
    assert many.published() == many
    assert Figures().published() == Figures()


def test_a_battery_is_judged_by_what_is_worse() -> None:
    assert battery_health({"soh_pct": 95.0, "cycles": 200}) == "good"
    assert battery_health({"soh_pct": 95.0, "cycles": 1200}) == "weak"
    assert battery_health({"soh_pct": 79.9}) == "weak"
    assert battery_health({"soh_pct": 69.0, "cycles": 10}) == "worn"
    assert battery_health({"temp_c": 20.0, "soh_pct": None}) == "unknown"


def test_a_filter_ends_by_litres_or_by_hours_whichever_comes_first() -> None:
    assert filter_life(1000, 50, 2400) == (20, "litres")
    assert filter_life(7200, 10, 720) == (30, "hours")
    assert filter_life(7200, 0, 720) == (30, "hours")
    assert filter_life(-3, None, 720) == (0, "litres")
    assert filter_life(None, 10, None) == (None, None)
    assert filter_life(7200, 10, 720).due
    assert not filter_life(7200, 10, 721).due


def test_a_bolt_that_never_moved_has_no_rate() -> None:
    assert jam_rate(0, 0) is None
    assert jam_rate(19, 1) == 0.05
