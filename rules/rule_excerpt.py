"""One rule as it stands in a rulebook's text, also in one that this program could no longer load."""

from __future__ import annotations

from typing import NamedTuple

from rules.yaml_text import Complaints, Items, Table, Text, read


class Excerpt(NamedTuple):
    """`inhibits` are the codes of the rules of that text which an open alert of this one keeps back."""

    text: str
    inhibits: tuple[str, ...]


def excerpt(text: str, code: str) -> Excerpt | None:
    """The lines of the rule, without its cases; None when there is no such rule."""
    document = read(text, Complaints(""))
    listed = document.entries.get("rules") if isinstance(document, Table) else None
    rules = [one for one in listed if isinstance(one, Table)] if isinstance(listed, Items) else []
    found = next((at for at, one in enumerate(rules) if _text(one, "code") == code), None)
    if found is None:
        return None
    table = rules[found]
    last = rules[found + 1].line - 1 if found + 1 < len(rules) else None
    lines = text.splitlines()[table.line - 1 : table.lines.get("cases", (last or 10**9) + 1) - 1]
    while lines and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
        lines.pop()
    indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    kept_back = tuple(
        name for one in rules if code in _words(one, "inhibited_by") and (name := _text(one, "code"))
    )
    return Excerpt("\n".join(line[indent:] for line in lines), kept_back)


def _text(table: Table, field: str) -> str:
    found = table.entries.get(field)
    return found.text if isinstance(found, Text) else ""


def _words(table: Table, field: str) -> list[str]:
    found = table.entries.get(field)
    return [one.text for one in found if isinstance(one, Text)] if isinstance(found, Items) else []
