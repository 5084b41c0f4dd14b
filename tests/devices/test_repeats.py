"""Reports said again are noted in passing; facts that look back end as if each was folded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.fold import apply, same_until_ms
from devices.registry import kinds
from devices.state import DeviceState
from domain.facts import Mark, Value

Fields = dict[str, Value]
BOLTS, LEAVES = ("locked", "unlocked"), ("open", "closed")
REPORTS: dict[str, list[Fields]] = {
    "door_lock": [{"bolt": bolt, "leaf": leaf} for bolt in BOLTS for leaf in LEAVES],
    "occupancy_sensor": [{"count_raw": n, "presence": bool(n)} for n in (0, 1, 4, None)],
    "climate_sensor": [{"temp_c": temp_c} for temp_c in (20.0, 21.0, 35.0, None)],
    "water_dispenser": [
        {"tds_out": tds, "hot_temp_c": hot_c, "state": "idle" if tds < 60 else "dispensing"}
        for tds, hot_c in ((50.0, 90.0), (70.0, 80.0), (120.0, 80.0))
    ],
}  # fmt: skip
CAREFUL = ("rise_c_per_min", "hot_rise_c_per_min")
"""How fast something rises depends on where in its window the first sample lies."""
LONGEST_GAP_S = 60


@pytest.mark.parametrize("kind_name", REPORTS)
@given(
    told=st.lists(
        st.tuples(st.integers(0, 3), st.integers(1, 30), st.integers(20, LONGEST_GAP_S)), max_size=12
    )
)
def test_noting_repetitions_ends_like_folding_each(kind_name: str, told: list[tuple[int, int, int]]) -> None:
    kind, reports = kinds()[kind_name], REPORTS[kind_name]
    folded, noted = DeviceState(), DeviceState()
    at_ms, seq, passed = 1_000_000, 0, 0
    for which, times, gap_s in told:
        fields = reports[which % len(reports)]
        for _ in range(times):
            at_ms, seq = at_ms + gap_s * 1000, seq + 1
            mark = Mark(1, seq, at_ms)
            apply(kind, folded, None, fields, {}, mark)
            until_ms = noted.own.repeats(fields, mark) or same_until_ms(kind.derived, noted.own, fields, mark)
            if until_ms:
                noted.own.repeat(fields, mark, until_ms)
                passed += 1
            else:
                apply(kind, noted, None, fields, {}, mark)
            assert noted.own.marks == folded.own.marks
            for name, value in folded.own.values.items():
                found = noted.own.values[name]
                if name in CAREFUL and isinstance(value, float) and isinstance(found, float):
                    least, most = sorted((value, value * (180 - LONGEST_GAP_S) / 180))
                    assert least - 0.02 <= found <= most + 0.02, name
                else:
                    assert found == value, name


@pytest.mark.parametrize("kind_name", REPORTS)
def test_what_stays_as_it_is_for_a_day_is_folded_some_dozen_times(kind_name: str) -> None:
    kind, fields = kinds()[kind_name], REPORTS[kind_name][0]
    state, folds = DeviceState(), 0
    for seq in range(24 * 60):
        mark = Mark(1, seq, seq * 60_000)
        until_ms = state.own.repeats(fields, mark) or same_until_ms(kind.derived, state.own, fields, mark)
        if until_ms:
            state.own.repeat(fields, mark, until_ms)
        else:
            folds += 1
            apply(kind, state, None, fields, {}, mark)
    assert folds < 70
