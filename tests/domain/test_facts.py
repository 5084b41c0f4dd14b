"""Facts that are said again: the short note of it leaves the same as folding them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from domain.facts import Facts, Mark, Value

REPORTS: list[dict[str, Value]] = [
    {"bolt": "locked", "leaf": "closed"},
    {"bolt": "locked"},
    {"leaf": "open", "battery_pct": 80.0},
    {"leaf": "closed", "forced": False},
]


@given(st.lists(st.tuples(st.sampled_from(range(4)), st.integers(0, 400_000)), max_size=30))
def test_noting_that_a_report_was_repeated_ends_like_folding_it(told: list[tuple[int, int]]) -> None:
    noted, folded = Facts(), Facts()
    at_ms = 0
    for seq, (which, later_ms) in enumerate(told):
        at_ms += later_ms
        fields, mark = REPORTS[which], Mark(1, seq, at_ms)
        if noted.repeats(fields, mark) or noted.knows(fields, mark):
            noted.repeat(fields, mark, at_ms + 300_000)
        else:
            noted.fold(fields, mark)
        folded.fold(fields, mark)
    assert noted == folded
    assert noted.copy() == folded


@given(st.lists(st.tuples(st.sampled_from(range(4)), st.integers(0, 40)), unique_by=lambda one: one[1]))
def test_each_value_is_that_of_the_highest_mark_in_whatever_order_told(told: list[tuple[int, int]]) -> None:
    facts, highest = Facts(), dict[str, tuple[Mark, Value]]()
    for which, seq in told:
        mark = Mark(1, seq, seq * 1_000)
        _, stale = facts.fold(REPORTS[which], mark)
        assert stale == any(name in highest and mark < highest[name][0] for name in REPORTS[which])
        for name, value in REPORTS[which].items():
            highest[name] = max(highest.get(name, (mark, value)), (mark, value), key=lambda one: one[0])
    assert facts.values == {name: value for name, (_, value) in highest.items()}
    assert facts.marks == {name: mark for name, (mark, _) in highest.items()}
    assert {name: facts.mark(name) for name in (*highest, "none")} == {**facts.marks, "none": None}
    assert {name: mark for mark, *names in facts.by_mark() for name in names} == facts.marks


@given(st.lists(st.tuples(st.sampled_from(range(4)), st.integers(0, 40)), unique_by=lambda one: one[1]))
def test_saying_again_moves_the_marks_of_what_is_known_and_only_forward(told: list[tuple[int, int]]) -> None:
    facts = Facts()
    facts.fold({"bolt": "locked", "leaf": "closed"}, Mark(1, 20, 0))
    expected = facts.marks
    for which, seq in told:
        mark = Mark(1, seq, 0)
        facts.age(REPORTS[which], mark)
        expected.update({n: max(mark, expected[n]) for n in REPORTS[which] if n in expected})
        assert facts.marks == expected


def test_only_the_same_report_of_the_same_boot_within_its_time_repeats() -> None:
    facts = Facts()
    fields = REPORTS[0]
    facts.fold(fields, Mark(1, 1, 1_000))
    assert not facts.repeats(fields, Mark(1, 2, 2_000)), "it was not noted yet"
    facts.repeat(fields, Mark(1, 2, 2_000), 300_000)
    assert facts.repeats(fields, Mark(1, 3, 3_000)) == 300_000
    assert not facts.repeats(dict(fields), Mark(1, 3, 3_000)), "equal, but not known to be"
    assert not facts.repeats(fields, Mark(1, 2, 3_000)), "not newer"
    assert not facts.repeats(fields, Mark(2, 1, 3_000)), "another boot"
    assert not facts.repeats(fields, Mark(1, 3, 300_000)), "what looks back must hear of it"
