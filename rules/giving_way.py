"""Alerts of one device that another one explains: while the graver one is open, people hear of it alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devices.state import SELF
from rules.rule import STATION

if TYPE_CHECKING:
    from rules.alert_life import Moment
    from rules.rule import Rule


def holders(moment: Moment, rule: Rule, part: int) -> list[str]:
    """The open alerts that keep this one back: of the station, or of the same device and part.

    What concerns the whole device concerns each of its parts, and the other way round.
    """
    return [
        code
        for code in rule.inhibited_by
        if code in moment.open_codes or (rule.kind != STATION and _is_open_near(moment, code, part))
    ]


def end_lesser(moment: Moment, graver: Rule, part: int) -> None:
    """An alert has opened: those of its device that it explains end. A safety alert never ends so."""
    for bound in moment.plan.by_code.values():
        rule = bound.rule
        if graver.code in rule.inhibited_by and not (rule.safety or rule.latch or rule.kind == STATION):
            for known in list(moment.state.parts) if rule.in_part else (SELF,):
                if (SELF in (known, part) or known == part) and moment.is_open(known, rule.code):
                    moment.resolve(known, rule.code, "superseded")


def _is_open_near(moment: Moment, code: str, part: int) -> bool:
    parts = moment.state.parts if part == SELF else (part, SELF)
    return code in moment.plan.by_code and any(moment.is_open(known, code) for known in parts)
