"""The words that a rulebook is made of: texts, flags, durations, conditions, names of events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from devices.kind import ColumnType, Kind
from rules.conditions import BadCondition, Condition, Vocabulary
from rules.premises import PREMISES
from rules.rule import ANY_KIND, CLOCK_FAULT, STATION
from rules.yaml_text import Complaints, Items, Node, Table, Text, duration_ms

TRUTH = ("true", "false")


def variables_of(kind: str, in_part: bool, kinds: Mapping[str, Kind]) -> dict[str, ColumnType]:
    """Names and types that a rule over this kind may use."""
    names: dict[str, ColumnType] = {CLOCK_FAULT: "bool"}
    if kind == STATION:
        names.update({one.fact: one.type for each in kinds.values() for one in each.exports})
        names.update(PREMISES)
    elif kind != ANY_KIND:
        names.update(kinds[kind].variables(in_part))
    return names


def listed(names: Iterable[str]) -> str:
    """Names in order, for a message."""
    return ", ".join(sorted(names)) or "none"


class Words:
    """Reads single values of one rulebook and complains, with file, line and field, where one is wrong."""

    def __init__(self, kinds: Mapping[str, Kind], complaints: Complaints) -> None:
        self.kinds = kinds
        self.complaints = complaints
        self._vocabularies: dict[tuple[str, bool], Vocabulary] = {}

    def complain(self, node: Node, message: str) -> None:
        """Something is wrong with a value."""
        self.complaints.add(node.line, node.path, message)

    def complain_of(self, table: Table, field: str, message: str) -> None:
        """Something is wrong with a field that may not be there."""
        self.complaints.add(table.lines.get(field, table.line), f"{table.path}.{field}", message)

    def only(self, table: Table, known: Iterable[str]) -> None:
        """Complain of every field that is not one of these."""
        known = set(known)
        for name in table.entries:
            if name not in known:
                self.complain_of(table, name, f"unknown field; known are {listed(known)}")

    def text(self, table: Table, field: str, *, required: bool = False) -> Text | None:
        """One plain value."""
        node = table.entries.get(field)
        if node is None:
            if required:
                self.complain_of(table, field, "is missing")
            return None
        if not isinstance(node, Text):
            self.complain(node, "must be one plain value")
            return None
        if not node.text.strip():
            self.complain(node, "is empty")
            return None
        return node

    def items(self, table: Table, field: str, wanted: str) -> tuple[Node, ...]:
        """A list; empty when the field is not there."""
        node = table.entries.get(field)
        if node is None:
            return ()
        if not isinstance(node, Items):
            self.complain(node, f"must be a list of {wanted}")
            return ()
        return node.items

    def names(self, table: Table, field: str) -> tuple[str, ...]:
        """A list of plain words."""
        found = self.items(table, field, "words: [one, two]")
        for node in found:
            if not isinstance(node, Text):
                self.complain(node, "must be a plain word")
        return tuple(node.text for node in found if isinstance(node, Text))

    def flag(self, table: Table, field: str) -> bool:
        """true or false; false when the field is not there."""
        found = self.text(table, field)
        if found is not None and found.text not in TRUTH:
            self.complain(found, f"expected true or false, got {found.text!r}")
        return found is not None and found.text == "true"

    def duration(self, table: Table, field: str) -> int | None:
        """Milliseconds."""
        found = self.text(table, field)
        if found is None:
            return None
        value = duration_ms(found.text)
        if value is None:
            self.complain(found, f"{found.text!r} is not a duration such as 10s, 2m or 6h (a week at most)")
        elif value == 0:
            self.complain(found, "is zero; leave it out")
        return value

    def condition(self, table: Table, field: str, vocabulary: Vocabulary) -> Condition | None:
        """A compiled expression."""
        found = self.text(table, field)
        if found is None:
            return None
        try:
            return vocabulary.compile(found.text)
        except BadCondition as exc:
            line = found.line + exc.line + (1 if found.block else 0)
            self.complaints.add(line, found.path, str(exc))
            return None

    def event(self, table: Table, kind: str, in_part: bool) -> str | None:
        """The name of an event that the kind declares."""
        found = self.text(table, "event")
        if found is None:
            return None
        events = self.kinds[kind].events if kind in self.kinds else {}
        if found.text not in events:
            self.complain(found, f"{found.text!r} is not an event of {kind}; known are {listed(events)}")
            return None
        parts = self.kinds[kind].parts
        if in_part and parts is not None and parts.name not in events[found.text].model_fields:
            self.complain(found, f"the event {found.text!r} names no part")
        return found.text

    def vocabulary(self, kind: str, in_part: bool) -> Vocabulary:
        """What conditions over a kind, or over its parts, may say."""
        known = self._vocabularies.get((kind, in_part))
        if known is None:
            variables = variables_of(kind, in_part, self.kinds)
            known = self._vocabularies[kind, in_part] = Vocabulary(variables, self._choices(kind, in_part))
        return known

    def _choices(self, kind: str, in_part: bool) -> dict[str, tuple[str, ...]]:
        if kind == STATION:
            return {
                one.fact: each.metrics[one.name].choices
                for each in self.kinds.values()
                for one in each.exports
                if one.name in each.metrics
            }
        if kind == ANY_KIND:
            return {}
        metrics = dict(self.kinds[kind].metrics)
        if in_part:
            metrics.update(self.kinds[kind].part_metrics)
        return {name: one.choices for name, one in metrics.items()}
