"""The rulebook: YAML that a county clerk can read, checked as a whole before any of it is used."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from devices.kind import Kind
from devices.registry import kinds as all_kinds
from rules.cases import failures
from rules.rule import STATION, Rule
from rules.rule_text import read_rule
from rules.rule_words import Words
from rules.yaml_text import Complaints, Items, Table, read

MAX_RULES = 2000


@dataclass(frozen=True, slots=True)
class Rulebook:
    """Rules of one version; `sha` is the SHA-256 of the text in hex."""

    rules: tuple[Rule, ...]
    version: int
    sha: str
    kinds: Mapping[str, Kind]
    name: str = "rulebook.yaml"
    area: str = ""
    """Empty for the province's; an area's own holds only what differs there."""

    def for_kind(self, kind: str) -> tuple[Rule, ...]:
        """The rules that watch devices of this kind, in the order of the file."""
        return tuple(rule for rule in self.rules if rule.is_for(kind))

    @property
    def station_rules(self) -> tuple[Rule, ...]:
        """The rules over a whole station."""
        return self.for_kind(STATION)

    def find(self, code: str) -> Rule | None:
        """The rule of this code."""
        return next((rule for rule in self.rules if rule.code == code), None)

    def check_cases(self) -> tuple[str, ...]:
        """Run the cases that stand beside the rules; a sentence with its line for each that fails."""
        found = [one for rule in self.rules for one in failures(rule, self)]
        return tuple(f"{self.name}:{line}: {said}" for line, said in found)


def over(above: Rulebook, own: Rulebook) -> Rulebook:
    """What holds in an area: its own rules, and those of the book above that it does not have itself."""
    untouchable = {rule.code for rule in above.rules if rule.safety}
    mine = [replace(one, version=own.version) for one in own.rules if one.code not in untouchable]
    codes = {rule.code for rule in mine}
    kept = [one for one in above.rules if one.code not in codes]
    kept = [replace(one, version=one.version or above.version) for one in kept]
    return replace(own, rules=(*kept, *mine))


def load_rulebook(
    text: str,
    *,
    version: int,
    name: str = "rulebook.yaml",
    kinds: Mapping[str, Kind] | None = None,
    area: str = "",
    above: Rulebook | None = None,
) -> Rulebook:
    """Read and check a rulebook; raise BadRulebook with `file:line: field: what is wrong` for each.

    With `above`, the book of a larger area, its codes may stand in `inhibited_by`, and a rule that
    replaces one of its safety rules is refused.
    """
    known = all_kinds() if kinds is None else kinds
    complaints = Complaints(name)
    document = read(text, complaints)
    complaints.stop_if_any()
    rules: list[Rule] = []
    if not isinstance(document, Table) or not isinstance(document.entries.get("rules"), Items):
        complaints.add(1, "rules", "is missing: a rulebook is `rules:` with a list of rules")
        complaints.stop_if_any()
    assert isinstance(document, Table)
    for other in document.entries:
        if other != "rules":
            complaints.add(document.lines[other], other, "unknown field; a rulebook has only rules")
    listed = document.entries["rules"]
    assert isinstance(listed, Items)
    if len(listed.items) > MAX_RULES:
        complaints.add(listed.line, "rules", f"are {len(listed.items)}; at most {MAX_RULES} are taken")
        complaints.stop_if_any()
    words = Words(known, complaints)
    for node in listed:
        if not isinstance(node, Table):
            complaints.add(node.line, node.path, "must be a rule: code, kind, …")
            continue
        rule = read_rule(words, node)
        if rule is not None:
            rules.append(rule)
    _check_codes(rules, complaints, () if above is None else above.rules)
    complaints.stop_if_any()
    return Rulebook(tuple(rules), version, hashlib.sha256(text.encode()).hexdigest(), known, name, area)


def _check_codes(rules: list[Rule], complaints: Complaints, larger: tuple[Rule, ...]) -> None:
    untouchable = {rule.code for rule in larger if rule.safety}
    for rule in rules:
        if rule.code in untouchable:
            said = "is a safety rule of the larger area: no area has its own"
            complaints.add(rule.line, f"{rule.code}.code", said)
    lines: dict[str, int] = {}
    for rule in rules:
        if rule.code in lines:
            said = f"is there twice (first in line {lines[rule.code]})"
            complaints.add(rule.line, f"{rule.code}.code", said)
        lines.setdefault(rule.code, rule.line)
    if complaints.found:
        return
    known = {rule.code: rule for rule in (*larger, *rules)}
    above = {code: rule.inhibited_by for code, rule in known.items()}
    for rule in rules:
        for code in rule.inhibited_by:
            if code not in above:
                complaints.add(rule.line, f"{rule.code}.inhibited_by", f"there is no rule {code!r}")
            elif rule.safety and not known[code].does_all_of(rule):
                said = f"a safety rule gives way only to one that does all it does, and {code!r} does not"
                complaints.add(rule.line, f"{rule.code}.inhibited_by", said)
        if _reaches(rule.code, rule.code, above, set()):
            complaints.add(rule.line, f"{rule.code}.inhibited_by", "goes round in a circle")


def _reaches(code: str, wanted: str, above: Mapping[str, tuple[str, ...]], seen: set[str]) -> bool:
    for one in above.get(code, ()):
        if one == wanted:
            return True
        if one not in seen:
            seen.add(one)
            if _reaches(one, wanted, above, seen):
                return True
    return False
