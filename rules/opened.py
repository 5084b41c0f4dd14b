"""An alert as it opens: with its texts filled in, its version, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from domain.facts import Value
from rules.alert_text import LATE_MS, in_both
from rules.effects import Basis, OpenAlert
from rules.rule import Rule

if TYPE_CHECKING:
    from rules.alert_life import Moment
    from rules.sight import BoundRule


def opened(
    moment: Moment,
    bound: BoundRule,
    part: int,
    happened_ms: int,
    facts: Mapping[str, Value],
    *,
    act: bool,
    basis: Basis,
) -> OpenAlert:
    """The effect. Without `act` newer facts deny it, and nobody is kept out because of it."""
    rule, plan, device, now_ms = bound.rule, moment.plan, moment.device, moment.now_ms
    number = f" {device.n}" if device.n else ""
    gone_s = max(0, now_ms - happened_ms) // 1000
    zh, en = in_both(
        rule.text_zh,
        rule.text_en,
        {"min": gone_s // 60, "sec": gone_s, **facts, plan.part_name: part},
        stations=moment.office.station_names(device.station),
        devices=(f"{plan.title_zh}{number}", f"{plan.title_en}{number}"),
        happened_ms=happened_ms,
        learned_ms=now_ms if _is_late(rule, happened_ms, now_ms) else happened_ms,
    )
    return OpenAlert(
        device=device,
        part=part,
        code=rule.code,
        severity=rule.severity,
        safety=rule.safety,
        latch=rule.latch,
        refuse_entry=rule.refuse_entry and act,
        happened_ms=happened_ms,
        learned_ms=now_ms,
        values=dict(facts),
        rulebook_version=rule.version or moment.office.version,
        text_zh=zh,
        text_en=en,
        basis=basis,
    )


def _is_late(rule: Rule, happened_ms: int, now_ms: int) -> bool:
    """Waiting for silence, or for as long as `for` says, is not learning late."""
    return rule.silent_ms is None and now_ms - happened_ms - rule.for_ms >= LATE_MS
