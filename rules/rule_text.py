"""One entry of a rulebook turned into a Rule, with a complaint for whatever cannot be used."""

from __future__ import annotations

import re
from typing import get_args

from rules.action_text import read_actions
from rules.alert_text import placeholders
from rules.case_text import read_cases
from rules.effects import Severity
from rules.rule import ANY_KIND, LEVEL_EN, LEVEL_ZH, STATION, Rule
from rules.rule_words import Words, listed, variables_of
from rules.yaml_text import Table, Text

_CODE = re.compile(r"[a-z][a-z0-9_]{1,39}")
FIELDS = (
    *("code", "kind", "part", "when", "event", "silent", "for", "clear", "clear_for", "latch", "severity"),
    *("safety", "log_only", "refuse_entry", "inhibited_by", "actions", "texts", "cases"),
)
"""What may stand in a rule."""
_PLACES = frozenset({"station", "device", "min", "sec"})


def read_rule(words: Words, table: Table) -> Rule | None:
    """The rule, or None with complaints."""
    before = len(words.complaints.found)
    words.only(table, FIELDS)
    code = _code(words, table)
    kind = _kind(words, table)
    if kind is None:
        return None
    in_part = _in_part(words, table, kind)
    vocabulary = words.vocabulary(kind, in_part)
    zh, en = _texts(words, table, kind, in_part)
    rule = Rule(
        code=code,
        kind=kind,
        severity=_severity(words, table),
        text_zh=zh,
        text_en=en,
        line=table.line,
        in_part=in_part,
        when=words.condition(table, "when", vocabulary),
        event=words.event(table, kind, in_part),
        silent_ms=words.duration(table, "silent"),
        for_ms=words.duration(table, "for") or 0,
        clear=words.condition(table, "clear", vocabulary),
        clear_for_ms=words.duration(table, "clear_for") or 0,
        latch=words.flag(table, "latch"),
        safety=words.flag(table, "safety"),
        refuse_entry=words.flag(table, "refuse_entry"),
        log_only=words.flag(table, "log_only"),
        inhibited_by=words.names(table, "inhibited_by"),
        actions=read_actions(words, table, kind, in_part),
        cases=read_cases(words, table, kind, in_part),
    )
    if len(words.complaints.found) == before:
        _check_sense(words, table, rule)
    return rule if len(words.complaints.found) == before else None


def _check_sense(words: Words, table: Table, rule: Rule) -> None:
    if not (rule.when or rule.event or rule.silent_ms):
        words.complain_of(table, "when", "is missing: a rule needs one of when, event, silent")
    if rule.is_silence and _silence_is_mixed(rule):
        words.complain_of(
            table, "silent", "stands alone: hearing from it is what ends it; only inhibited_by fits"
        )
    elif rule.silent_ms and rule.when and (rule.for_ms or rule.event or not rule.latch):
        words.complain_of(table, "silent", "after a when needs latch: true, and neither for nor event")
    if rule.for_ms and rule.when is None:
        words.complain_of(table, "for", "says how long `when` must hold, and there is no when")
    for field in ("clear", "clear_for"):
        if rule.latch and field in table.entries:
            words.complain_of(table, field, "does not go with latch: only a person's reset ends it")
    if rule.event and not (rule.when or rule.clear or rule.latch):
        words.complain_of(table, "event", "would never end: add when, clear or latch")
    if rule.safety and rule.severity != "emergency":
        words.complain_of(table, "severity", f"of a safety rule is emergency, not {rule.severity}")
    if rule.log_only and rule.severity != "info":
        words.complain_of(table, "log_only", f"is for severity info; somebody must hear of {rule.severity}")
    if rule.refuse_entry and not rule.safety:
        words.complain_of(table, "refuse_entry", "is for safety rules: add safety: true")
    if rule.inhibited_by and rule.safety and rule.silent_ms is None:
        words.complain_of(table, "inhibited_by", "a safety rule cannot be inhibited")
    elif rule.inhibited_by and rule.event:
        words.complain_of(table, "inhibited_by", "an event cannot be inhibited: it would be forgotten")


def _silence_is_mixed(rule: Rule) -> bool:
    return bool(rule.when or rule.event or rule.clear or rule.for_ms or rule.clear_for_ms) or (
        rule.latch or rule.safety
    )


def _code(words: Words, table: Table) -> str:
    found = words.text(table, "code", required=True)
    if found is not None and not _CODE.fullmatch(found.text):
        words.complain(found, f"{found.text!r} is not a lower-case name such as door_forced")
    return found.text if found is not None else ""


def _kind(words: Words, table: Table) -> str | None:
    found = words.text(table, "kind", required=True)
    if found is None:
        return None
    known = (*words.kinds, STATION, ANY_KIND)
    if found.text not in known:
        words.complain(found, f"unknown kind {found.text!r}; known are {listed(known)}")
        return None
    return found.text


def _in_part(words: Words, table: Table, kind: str) -> bool:
    found = words.text(table, "part")
    if found is None:
        return False
    parts = words.kinds[kind].parts if kind in words.kinds else None
    if parts is None:
        words.complain(found, f"{kind} has no parts")
        return False
    if found.text != parts.name:
        words.complain(found, f"a part of {kind} is called {parts.name}, not {found.text!r}")
    return True


def _severity(words: Words, table: Table) -> Severity:
    found = words.text(table, "severity", required=True)
    known: tuple[Severity, ...] = get_args(Severity)
    if found is None:
        return "info"
    for one in known:
        if found.text == one:
            return one
    words.complain(found, f"{found.text!r} is not one of {', '.join(known)}")
    return "info"


def _texts(words: Words, table: Table, kind: str, in_part: bool) -> tuple[str, str]:
    node = table.entries.get("texts")
    if not isinstance(node, Table):
        words.complain_of(table, "texts", "is missing: people read zh and en")
        return "", ""
    words.only(node, ("zh", "en"))
    known = set(variables_of(kind, in_part, words.kinds)) | _PLACES
    parts = words.kinds[kind].parts if kind in words.kinds else None
    if in_part and parts is not None:
        known.add(parts.name)
    severity = table.entries.get("severity")
    level = severity.text if isinstance(severity, Text) else ""
    begins = {
        "zh": {one: f"【{said}】" for one, said in LEVEL_ZH.items()},
        "en": {one: f"[{said}]" for one, said in LEVEL_EN.items()},
    }
    written = {"zh": "", "en": ""}
    for language, levels in begins.items():
        found = words.text(node, language, required=True)
        if found is None:
            continue
        written[language] = found.text
        for place in sorted(set(placeholders(found.text)) - known):
            words.complain(found, f"unknown placeholder {{{place}}}; known are {listed(known)}")
        wanted = next((begin for one, begin in levels.items() if one == level), "")
        if not found.text.startswith(wanted):
            words.complain(found, f"must begin with {wanted}, which is its severity")
    return written["zh"], written["en"]
