"""What was found, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from conform.check import Verdict

ALWAYS_TOLD = ("broken", "not seen")


def passed(verdicts: Sequence[Verdict], heard: int) -> bool:
    """True when something was heard and nothing was broken."""
    return heard > 0 and all(one.outcome != "broken" for one in verdicts)


def as_json(station: str, verdicts: Sequence[Verdict], heard: int) -> dict[str, Any]:
    """For programs."""
    return {
        "station": station,
        "passed": passed(verdicts, heard),
        "messages": heard,
        "checks": [one._asdict() for one in verdicts],
    }


def as_lines(verdicts: Sequence[Verdict], heard: int) -> list[str]:
    """For people: kept ones in a line each, the others with what was seen."""
    lines = []
    for one in verdicts:
        lines.append(f"{one.outcome:<9} {one.id:<23} {one.sentence}")
        if one.outcome in ALWAYS_TOLD:
            lines += [f"{'':<9} {'':<23}   {_safe(told)}" for told in one.evidence]
        if one.times > len(one.evidence) and one.outcome == "broken":
            lines.append(f"{'':<9} {'':<23}   … {one.times} times in all")
    counts = Counter(one.outcome for one in verdicts)
    told = ", ".join(f"{counts[outcome]} {outcome}" for outcome in ("kept", "broken", "not seen"))
    if not heard:
        return [*lines, "", "Nothing was heard: does the device connect here, with this credential?"]
    verdict = "The device keeps the contract as far as it was seen" if passed(verdicts, heard) else "Not yet"
    return [*lines, "", f"{verdict}: {told}; {heard} messages."]


def _safe(text: str) -> str:
    # A device chooses some of these words: nothing in them may command the terminal.
    return "".join(sign if sign.isprintable() else " " for sign in text)
