"""The actions of a rule, read and checked: what may be asked of a device without a person."""

from __future__ import annotations

from collections.abc import Mapping

from devices.kind import Command
from rules.rule import NEVER_BY_RULE, Action
from rules.rule_words import Words, listed
from rules.yaml_text import Node, Table, Text


def read_actions(words: Words, table: Table, kind: str, in_part: bool) -> tuple[Action, ...]:
    """The actions in their order."""
    found = [_action(words, node, kind, in_part) for node in words.items(table, "actions", "{command: …}")]
    return tuple(one for one in found if one is not None)


def _action(words: Words, node: Node, kind: str, in_part: bool) -> Action | None:
    if not isinstance(node, Table):
        words.complain(node, "must be {command: …}")
        return None
    words.only(node, ("command", "role", "args"))
    command = words.text(node, "command", required=True)
    role = words.text(node, "role")
    commands = _commands(words, kind, role)
    if command is None or commands is None:
        return None
    known = commands.get(command.text)
    if known is None:
        who = role.text if role else kind
        words.complain(command, f"{who} has no command {command.text!r}; known are {listed(commands)}")
        return None
    if known.name in NEVER_BY_RULE or known.holds is None:
        said = "is for a person to give: a rule may cut, disable and release, and never lock or let in"
        words.complain(command, f"{known.name!r} {said}")
        return None
    args = _args(words, node, known.args)
    part_arg = known.part_arg if in_part and role is None else None
    for missing in sorted(set(known.args) - set(args) - {part_arg}):
        words.complain_of(node, "args", f"{missing} is missing")
    return Action(known.name, role.text if role else None, args, part_arg)


def _commands(words: Words, kind: str, role: Text | None) -> Mapping[str, Command] | None:
    if role is None:
        return words.kinds[kind].commands if kind in words.kinds else {}
    owners = [one for one in words.kinds.values() if role.text in one.roles]
    if not owners:
        roles = {e.role for one in words.kinds.values() for e in one.exports}
        words.complain(role, f"unknown role {role.text!r}; known are {listed(roles)}")
        return None
    return {name: command for one in owners for name, command in one.commands.items()}


def _args(words: Words, node: Table, known: Mapping[str, tuple[int, int]]) -> dict[str, int]:
    table = node.entries.get("args")
    if table is None:
        return {}
    if not isinstance(table, Table):
        words.complain(table, "must be {name: number}")
        return {}
    words.only(table, known)
    found = {}
    for name, value in table.entries.items():
        if name not in known:
            continue
        low, high = known[name]
        if not isinstance(value, Text) or not value.text.isdecimal() or not low <= int(value.text) <= high:
            words.complain(value, f"must be a whole number from {low} to {high}")
        else:
            found[name] = int(value.text)
    return found
