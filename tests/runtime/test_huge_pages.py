from __future__ import annotations

import ctypes
import platform
from pathlib import Path

import pytest

from runtime.huge_pages import HUGE_PAGE, SMAPS, Folding, Region, regions
from tests.waiting import eventually

MB = 2**20
SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")
LINES = """\
55d0c0000000-55d0c0400000 rw-p 00000000 00:00 0                          [heap]
Size:               4096 kB
Rss:                4000 kB
AnonHugePages:      2048 kB
VmFlags: rd wr mr mw me ac sd
7f1200000000-7f1200200000 r-xp 00001000 fe:00 4711                       /usr/lib/libsqlite3.so.0
Size:               2048 kB
Rss:                2048 kB
AnonHugePages:         0 kB
7f1300100000-7f1300700000 rw-p 00000000 00:00 0
Size:               6144 kB
Rss:                 128 kB
AnonHugePages:         0 kB
7f1400000000-7f1400200000 rw-p 00000000 00:00 0                          [stack]
Rss:                2048 kB
"""


def kernel() -> tuple[int, ...]:
    return tuple(int(number) for number in platform.release().split(".")[:2])


def test_regions_without_a_file_are_read_with_what_is_in_use() -> None:
    assert list(regions(LINES.splitlines(keepends=True))) == [
        Region(0x55D0C0000000, 0x55D0C0400000, 4000 * 1024, 2 * MB),
        Region(0x7F1300100000, 0x7F1300700000, 128 * 1024, 0),
    ]


def test_a_region_is_worth_it_while_it_is_in_use_and_not_all_huge() -> None:
    assert Region(0, 8 * MB, 8 * MB, 6 * MB).is_worth_it
    assert not Region(0, 8 * MB, 8 * MB, 8 * MB).is_worth_it
    assert not Region(0, 8 * MB, 4 * MB, 0).is_worth_it, "what is empty shall stay so"
    assert not Region(MB, 3 * MB, 2 * MB, 0).is_worth_it, "no huge page fits between its borders"


def test_only_whole_huge_pages_within_a_region_are_asked_for() -> None:
    assert list(Region(MB, 7 * MB, 0, 0).pages) == [2 * MB, 4 * MB]


@pytest.mark.skipif(
    not SETTING.exists() or kernel() < (6, 1), reason="only Linux folds memory on demand, from 6.1 on"
)
@pytest.mark.skipif(
    SETTING.exists() and "[always]" in SETTING.read_text(), reason="memory lies in huge pages by itself here"
)
def test_memory_that_is_in_use_comes_to_lie_in_huge_pages() -> None:
    held = ctypes.create_string_buffer(b"\x01" * (64 * MB), 64 * MB)
    at = ctypes.addressof(held) + 32 * MB

    def around() -> Region:
        with SMAPS.open() as lines:
            return next(region for region in regions(lines) if region.begin <= at < region.end)

    assert around().huge_bytes < 8 * HUGE_PAGE
    with Folding(first_look_s=0.01, step_s=0.0):
        eventually(lambda: around().huge_bytes >= 60 * MB, 30, saying="most of it is folded")
    assert held.raw == b"\x01" * (64 * MB), "and holds what it held"
