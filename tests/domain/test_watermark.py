"""What is promised was seen, and nothing that was seen is forgotten while it matters."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from domain.watermark import MAX_ALSO, WINDOW, Watermark


def seen(*seqs: int, low: int | None = 0) -> Watermark:
    mark = Watermark()
    for seq in seqs:
        mark.add(seq, low)
    return mark


def test_numbers_in_order_raise_the_watermark() -> None:
    assert seen(0, 1, 2).upto == 2


def test_a_gap_holds_the_watermark_back_and_shows_in_also() -> None:
    mark = seen(0, 1, 3, 4, 7)
    assert (mark.upto, mark.also([7])) == (1, [[3, 4], [7, 7]])


def test_filling_the_gap_moves_the_watermark_over_what_follows() -> None:
    assert seen(0, 1, 3, 4, 2).upto == 4


def test_what_the_speaker_has_given_up_no_longer_holds_the_watermark_back() -> None:
    mark = seen(0, 1)
    mark.add(6, low=5)
    assert (mark.upto, mark.ranges) == (4, [[6, 6]])
    mark.add(5, low=5)
    assert mark.upto == 6


def test_a_speaker_that_keeps_nothing_gets_no_watermark_but_its_duplicates_are_known() -> None:
    mark = seen(10, 11, 12, low=None)
    assert mark.upto == -1
    assert mark.has(11)
    assert not mark.has(9)


def test_a_speaker_that_keeps_nothing_is_remembered_for_a_window_only() -> None:
    mark = seen(0, *range(2, WINDOW + 10, 2), low=None)
    assert not mark.has(0)
    assert mark.has(WINDOW + 8)


def test_at_most_64_ranges_are_told_this_batch_first() -> None:
    mark = seen(0, *range(2, 400, 2))
    told = mark.also([398, 2])
    assert len(told) == MAX_ALSO
    assert [398, 398] in told
    assert told == sorted(told)


@given(st.lists(st.integers(0, 60), max_size=80))
def test_any_order_ends_in_the_same_watermark(seqs: list[int]) -> None:
    mark = seen(*seqs)
    assert {s for s in range(61) if mark.has(s)} == set(seqs)
    expected = -1
    while expected + 1 in set(seqs):
        expected += 1
    assert mark.upto == expected
    assert all(first <= last for first, last in mark.ranges)
    assert all(a[1] + 1 < b[0] for a, b in zip(mark.ranges, mark.ranges[1:], strict=False))
    assert not mark.ranges or mark.ranges[0][0] > mark.upto + 1


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=60))
def test_nothing_at_or_above_low_is_promised_unseen(pairs: list[tuple[int, int]]) -> None:
    mark = Watermark()
    taken: set[int] = set()
    lowest = 0
    for seq, low in pairs:
        low = min(low, seq)
        lowest = max(lowest, low)
        mark.add(seq, low)
        taken.add(seq)
        assert all(s in taken or s < lowest for s in range(61) if mark.has(s))


@given(st.lists(st.integers(0, 60), max_size=40))
def test_a_copy_does_not_share_its_ranges(seqs: list[int]) -> None:
    mark = seen(*seqs)
    before = [list(r) for r in mark.ranges]
    copy = mark.copy()
    for seq in range(61):
        copy.add(seq, 0)
    assert mark.ranges == before
