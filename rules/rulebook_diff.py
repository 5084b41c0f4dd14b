"""What differs between two rulebooks, rule by rule and field by field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from rules.rule import Action, Rule

What = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class RuleChange:
    """One rule. `fields` tells of each that differs how it was and how it becomes; empty text for nothing."""

    code: str
    what: What
    kinds: frozenset[str]
    safety: bool
    fields: Mapping[str, tuple[str, str]]


def differences(old: Iterable[Rule], new: Iterable[Rule]) -> tuple[RuleChange, ...]:
    """The changes, by code. Order, layout, comments and cases of a file make no difference."""
    before = {rule.code: rule for rule in old}
    after = {rule.code: rule for rule in new}
    found = []
    for code in sorted({*before, *after}):
        was, becomes = before.get(code), after.get(code)
        one, other = _fields(was), _fields(becomes)
        changed = {
            name: (one.get(name, ""), other.get(name, ""))
            for name in dict.fromkeys((*one, *other))
            if one.get(name, "") != other.get(name, "")
        }
        if changed:
            what: What = "added" if was is None else "removed" if becomes is None else "changed"
            both = [rule for rule in (was, becomes) if rule is not None]
            kinds = frozenset(rule.kind for rule in both)
            found.append(RuleChange(code, what, kinds, any(rule.safety for rule in both), changed))
    return tuple(found)


def _fields(rule: Rule | None) -> dict[str, str]:
    if rule is None:
        return {}
    said = {
        "kind": rule.kind,
        "part": "yes" if rule.in_part else "",
        "when": _plain(rule.when.source) if rule.when else "",
        "event": rule.event or "",
        "silent": _duration(rule.silent_ms),
        "for": _duration(rule.for_ms),
        "clear": _plain(rule.clear.source) if rule.clear else "",
        "clear_for": _duration(rule.clear_for_ms),
        "latch": "true" if rule.latch else "",
        "severity": rule.severity,
        "safety": "true" if rule.safety else "",
        "refuse_entry": "true" if rule.refuse_entry else "",
        "log_only": "true" if rule.log_only else "",
        "inhibited_by": ", ".join(rule.inhibited_by),
        "actions": "; ".join(_action(one) for one in rule.actions),
        "zh": rule.text_zh,
        "en": rule.text_en,
    }
    return {name: text for name, text in said.items() if text}


def _plain(source: str) -> str:
    return " ".join(source.split())


def _duration(ms: int | None) -> str:
    for unit, name in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")):
        if ms and ms % unit == 0:
            return f"{ms // unit}{name}"
    return f"{ms}ms" if ms else ""


def _action(action: Action) -> str:
    args = ", ".join(f"{name} {value}" for name, value in sorted(action.args.items()))
    who = f" of {action.role}" if action.role else ""
    return f"{action.command}{who}{f' ({args})' if args else ''}"
