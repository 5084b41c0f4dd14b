"""A rulebook whose times are short, for stories in real time."""

from __future__ import annotations

from functools import cache

from rules.rulebook import Rulebook, load_rulebook

MINOR = "severity: minor, texts: {zh: '【一般】{station}', en: '[Minor] {station}'}"
SAFETY = "severity: emergency, safety: true, texts: {zh: '【紧急】{station}', en: '[Emergency] {station}'}"
BOOK = f"""
rules:
  - {{code: hot, kind: swap_cabinet, part: slot, when: temp_c >= 60, for: 1s,
     clear: temp_c < 55, clear_for: 1s, {MINOR}}}
  - {{code: runaway, kind: swap_cabinet, part: slot, event: runaway,
     when: temp_c >= 75 || (temp_c >= 60 && smoke), latch: true, {SAFETY}}}
  - {{code: smoke, kind: swap_cabinet, event: smoke, when: smoke, {SAFETY}}}
  - {{code: leaf_open, kind: door_lock, when: 'leaf == "open" && mode == "normal"', for: 1s,
     clear: 'leaf == "closed"', {MINOR}}}
  - {{code: forced, kind: door_lock, event: forced, when: forced == true, latch: true, {SAFETY}}}
  - {{code: counter_quiet, kind: occupancy_sensor, silent: 2s, inhibited_by: [box_quiet], {MINOR}}}
  - {{code: box_quiet, kind: station, silent: 5s, {MINOR}}}
  - {{code: crowd, kind: station, when: 'occupancy.count_raw > 4 && door.leaf == "closed"', {MINOR}}}
  - {{code: never, kind: occupancy_sensor, when: count_raw / (count_raw - count_raw) > 1, {MINOR}}}
"""


@cache
def short_rulebook(text: str = BOOK) -> Rulebook:
    """The rulebook, read once for each text."""
    return load_rulebook(text, version=2)
