"""Writes the parts of the contract that follow from the code: JSON Schemas, and each kind's page of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter

from devices.kind import Command, Kind, Metric
from devices.message import Event, Link, Message, Reply
from devices.registry import kinds
from runtime import asyncapi_doc
from runtime.output import say
from runtime.settings import TREE

PAGE = TREE / "docs" / "contract.md"
SCHEMAS = TREE / "docs" / "schemas"
BEGIN = "<!-- from here on written by `python -m runtime.contract_doc`: change devices/, not this -->"
END = "<!-- up to here -->"
_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, str]:
    """The text of every schema file by its name in docs/schemas."""
    found = {"link.json": _schema("What a speaker says of its connection", Link)}
    found["reply.json"] = _schema("What a device answers to a command", Reply)
    for kind in kinds().values():
        found[f"{kind.name}.telemetry.json"] = _schema(f"{kind.title_en}: state", kind.telemetry)
        if kind.events:
            found[f"{kind.name}.event.json"] = _event_schema(kind)
    return found


def section() -> str:
    """The part of the page between the markers."""
    return "\n".join([BEGIN, "", *(line for kind in kinds().values() for line in _kind_lines(kind)), END])


def page_with(text: str, new: str) -> str:
    """The page with its section between the markers replaced; ValueError without markers."""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{PAGE.name} must hold each of the two markers once")
    return text[: text.index(BEGIN)] + new + text[text.index(END) + len(END) :]


def write() -> None:
    """Bring all files up to date."""
    SCHEMAS.mkdir(exist_ok=True)
    made = schemas()
    for old in SCHEMAS.glob("*.json"):
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        (SCHEMAS / name).write_text(text, encoding="utf-8")
    PAGE.write_text(page_with(PAGE.read_text(encoding="utf-8"), section()), encoding="utf-8")
    asyncapi_doc.PAGE.write_text(asyncapi_doc.text(), encoding="utf-8")
    say(f"Wrote {len(made)} schemas, {asyncapi_doc.PAGE.name} and the kinds in {PAGE.name}.")


def _schema(title: str, model: type[BaseModel]) -> str:
    return _text(title, model.model_json_schema())


def _event_schema(kind: Kind) -> str:
    union: Any = None
    for model in kind.events.values():
        union = model if union is None else union | model
    return _text(f"{kind.title_en}: what happened once", TypeAdapter(union).json_schema())


def _text(title: str, schema: dict[str, Any]) -> str:
    named = {"$schema": _DRAFT, **schema, "title": title}
    return json.dumps(named, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def _kind_lines(kind: Kind) -> Iterator[str]:
    yield from (f"### {kind.name}: {kind.title_en.lower()} ({kind.title_zh})", "")
    yield f"Reports at least every {kind.period_s} s and when something changes. Schemas: " + (
        f"[telemetry](schemas/{kind.name}.telemetry.json)"
        + (f", [event](schemas/{kind.name}.event.json)" if kind.events else "")
        + "."
    )
    yield ""
    yield from _metric_lines("telemetry", kind.telemetry, kind.metrics)
    if kind.parts is not None:
        yield from (f"`{kind.parts.field}` is a list; each entry has `n`, its number, and any of these:", "")
        yield from _metric_lines(f"each of `{kind.parts.field}`", kind.parts.model, kind.part_metrics)
    if kind.events:
        yield from ("| event | what happened | its own fields |", "|---|---|---|")
        yield from (_event_line(name, model) for name, model in kind.events.items())
        yield ""
    if kind.commands:
        yield from ("| command | arguments | asked |", "|---|---|---|")
        yield from (_command_line(command) for command in kind.commands.values())
        yield ""


def _metric_lines(head: str, model: type[BaseModel], metrics: Mapping[str, Metric]) -> Iterator[str]:
    yield from (f"| {head} | what | type | valid | unknown after |", "|---|---|---|---|---|")
    for metric in metrics.values():
        doc = model.model_fields[metric.name].description or ""
        unit = f", {metric.unit}" if metric.unit else ""
        cells = (f"`{metric.name}`", doc, f"{_type(metric)}{unit}", _range(metric), _age(metric.fresh_s))
        yield f"| {' | '.join(cells)} |"
    yield ""


def _event_line(name: str, model: type[Event]) -> str:
    own = [f"`{f}`" for f in model.model_fields if f not in Message.model_fields and f != "type"]
    safety = " **Safety: never dropped from a full buffer, always opens its alert.**" if model.safety else ""
    return f"| `{name}` | {(model.__doc__ or '').strip()}{safety} | {', '.join(own) or 'none'} |"


def _command_line(command: Command) -> str:
    args = ", ".join(f"`{name}` {low} to {high}" for name, (low, high) in command.args.items()) or "none"
    asked = "once; never again" if command.holds is None else "again until the facts show that it is so"
    return f"| `{command.name}` | {args} | {asked} |"


def _type(metric: Metric) -> str:
    if metric.choices:
        return " \\| ".join(f"`{choice}`" for choice in metric.choices)
    return {"float": "number", "int": "whole number", "bool": "true or false", "str": "text"}[metric.type]


def _range(metric: Metric) -> str:
    if metric.low is None and metric.high is None:
        return ""
    if metric.high is None:
        return f"from {metric.low:g}"
    if metric.low is None:
        return f"up to {metric.high:g}"
    return f"{metric.low:g} to {metric.high:g}"


def _age(seconds: int) -> str:
    for size, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds % size == 0:
            return f"{seconds // size} {name}"
    return f"{seconds} s"


if __name__ == "__main__":
    write()
