"""Huge pages for a process that holds a fleet: each message is about another device, far away in memory.

With pages of 4 kB the processor must look up where nearly each of them lies, in a virtual machine twice over.
Linux folds 512 small pages into a huge one where a process asks for it (`madvise(2)`, MADV_COLLAPSE, from 6.1
on); elsewhere nothing happens.
"""

from __future__ import annotations

import ctypes
import re
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

SMAPS: Final = Path("/proc/self/smaps")
HUGE_PAGE: Final = 2 * 2**20
FIRST_LOOK_S: Final = 5.0
LOOK_EVERY_S: Final = 60.0
STEP_S: Final = 0.05
"""Between two huge pages: each takes about 5 ms, and whoever wants new memory meanwhile waits for it."""
IN_USE: Final = 0.9
"""How much of a region must be there already: what is empty shall stay so."""
_COLLAPSE: Final = 25
_LIBC: Final = ctypes.CDLL(None)
_HEADER: Final = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \d+ *(.*)")
_SIZES: Final = {"Rss": "resident_bytes", "AnonHugePages": "huge_bytes"}


class Region(NamedTuple):
    """Memory of this process that is no file's, by addresses; how much of it is there, and in huge pages."""

    begin: int
    end: int
    resident_bytes: int = 0
    huge_bytes: int = 0

    @property
    def is_worth_it(self) -> bool:
        """True while most of it is in use, and not all that could be is in huge pages."""
        possible = len(self.pages) * HUGE_PAGE
        return self.huge_bytes < possible and self.resident_bytes >= IN_USE * (self.end - self.begin)

    @property
    def pages(self) -> range:
        """Where each huge page that fits into it would begin."""
        return range(-(-self.begin // HUGE_PAGE) * HUGE_PAGE, self.end - HUGE_PAGE + 1, HUGE_PAGE)


def regions(smaps: Iterable[str]) -> Iterator[Region]:
    """The writable regions without a file, from the lines of `/proc/PID/smaps`."""
    found: Region | None = None
    for line in smaps:
        header = _HEADER.match(line)
        if header is not None:
            if found is not None:
                yield found
            begin, end, rights, name = header.groups()
            ours = rights == "rw-p" and name in ("", "[heap]")
            found = Region(int(begin, 16), int(end, 16)) if ours else None
        elif found is not None:
            name, _, size = line.partition(":")
            if name in _SIZES:
                found = found._replace(**{_SIZES[name]: int(size.split()[0]) * 1024})
    if found is not None:
        yield found


class Folding:
    """Looks again and again for what has come to be in use, in a thread of its own, and folds it.

    Often at first, while a process fills with what it loads, then once a minute.
    """

    def __init__(self, *, first_look_s: float = FIRST_LOOK_S, step_s: float = STEP_S) -> None:
        self._stopped = threading.Event()
        self._first_look_s, self._step_s = first_look_s, step_s
        self._refused: set[int] = set()
        self._thread = threading.Thread(target=self._run, name="huge-pages", daemon=True)

    def __enter__(self) -> Folding:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin, where a process is told how its memory lies."""
        if SMAPS.exists():
            self._thread.start()

    def stop(self) -> None:
        """End after the page in hand."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def fold(self) -> None:
        """Fold what is worth it now; what was refused is not asked for again."""
        try:
            with SMAPS.open(encoding="utf-8", errors="replace") as lines:
                worth_it = [region for region in regions(lines) if region.is_worth_it]
        except OSError:
            # Another system than Linux, or one that does not tell: memory stays as it is.
            return
        for page in (page for region in worth_it for page in region.pages if page not in self._refused):
            if self._stopped.wait(self._step_s):
                return
            if not _fold(page):
                self._refused.add(page)

    def _run(self) -> None:
        pause_s = self._first_look_s
        while not self._stopped.wait(pause_s):
            self.fold()
            pause_s = min(2 * pause_s, LOOK_EVERY_S)


def _fold(page: int) -> bool:
    """Ask for one huge page; False where there is none to be had, or the kernel does not know how."""
    refused: int = _LIBC.madvise(ctypes.c_void_p(page), ctypes.c_size_t(HUGE_PAGE), _COLLAPSE)
    return not refused
