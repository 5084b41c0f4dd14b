"""From the bytes of a message to typed content, or to a BadMessage that names the path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from devices.kind import Kind, Metric
from devices.message import Link, Part, Reply
from devices.pieces import pieces_of, whole
from devices.quick_read import quick_part, quick_read
from domain.envelope import FIELDS, Envelope, read_envelope, read_link_ts
from domain.errors import BadMessage
from domain.facts import Value
from domain.json_input import MAX_BYTES, may_hide, parse_object

Fields = dict[str, Value]
M = TypeVar("M", bound=BaseModel)


class Reading(NamedTuple):
    """One telemetry message: present fields of the device, of each part, and unknown ones as sent."""

    envelope: Envelope
    fields: Mapping[str, Value]
    parts: Mapping[int, Mapping[str, Value]]
    extra: Mapping[str, Any]


class Happening(NamedTuple):
    """One event: the facts that follow from it (of `part`, 0 = the device), and its body as sent."""

    envelope: Envelope
    type: str
    safety: bool
    part: int
    fields: Fields
    body: dict[str, Any]


class Answer(NamedTuple):
    """One reply to a command."""

    envelope: Envelope
    reply: Reply
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LinkWord:
    """A speaker announces itself, or its will says that it is gone."""

    link: Link
    ts_ms: int | None


def decode_telemetry(kind: Kind, payload: bytes) -> Reading:
    """Read a telemetry message of this kind."""
    found = kind.said_before.find(payload)
    if found is not None:
        ts_ms, boot, seq, low, known = found
        if low <= seq:
            return Reading(Envelope(ts_ms, boot.decode(), seq, low), known, {}, {})
    if kind.parts is not None:
        reading = _in_pieces(kind, payload)
        if reading is not None:
            return reading
    message = quick_read(kind.telemetry, payload, kind.parts.field if kind.parts else None)
    in_order = message is not None
    if message is None:
        body = parse_object(payload)
        envelope = read_envelope(body)
        message = _validate(kind.telemetry, body, envelope)
    else:
        envelope = Envelope(message.ts, message.boot, message.seq, message.low)
    parts: dict[int, Fields] = {}
    unknown = message.__pydantic_extra__
    extra: dict[str, Any] = dict(unknown) if unknown else {}
    if kind.parts is not None:
        field = kind.parts.field
        for index, part in enumerate(message.__dict__[field] or ()):
            if part.n in parts:
                path = f"{field}.{index}.n"
                raise BadMessage(
                    "bad_payload", path, f"{part.n} is there twice", boot=envelope.boot, seq=envelope.seq
                )
            parts[part.n] = _present(kind.part_metrics, part, extra, f"{field}.{part.n}.")
            if part.__pydantic_extra__:
                extra[f"{field}.{part.n}"] = part.__pydantic_extra__
    fields = _present(kind.metrics, message, extra, "")
    if in_order and not parts and not extra:
        kind.said_before.remember(payload, fields)
    return Reading(envelope, fields, parts, extra)


def _in_pieces(kind: Kind, payload: bytes) -> Reading | None:
    """A message with parts, from what it says without them and from each part; most of these were read
    before. None where anything is doubtful: whoever reads it whole says what.
    """
    pieces = pieces_of(payload, kind.part_key) if kind.parts is not None else None
    if kind.parts is None or pieces is None or len(payload) > MAX_BYTES or may_hide(payload):
        return None
    own, said = pieces
    parts: dict[int, Mapping[str, Value]] = {}
    for piece in said:
        found = kind.said_before.find_part(piece) or _part(kind, kind.parts.model, piece)
        if found is None or found[0] in parts:
            return None
        parts[found[0]] = found[1]
    try:
        reading = decode_telemetry(kind, own)
    except BadMessage:
        return None
    return None if reading.parts or reading.extra else reading._replace(parts=parts)


def _part(kind: Kind, model: type[Part], piece: bytes) -> tuple[int, Mapping[str, Value]] | None:
    part = quick_part(model, whole(piece))
    if part is None:
        return None
    extra: dict[str, Any] = {}
    fields = _present(kind.part_metrics, part, extra, "")
    if extra:
        return None
    kind.said_before.remember_part(piece, part.n, fields)
    return part.n, fields


def decode_event(kind: Kind, payload: bytes) -> Happening:
    """Read an event of this kind; the type must be one that the kind declares."""
    body = parse_object(payload)
    envelope = read_envelope(body)
    type_ = body.get("type")
    model = kind.events.get(type_) if isinstance(type_, str) else None
    if model is None:
        known = ", ".join(kind.events)
        raise BadMessage(
            "unknown_event",
            "type",
            f"{str(type_)[:40]!r} is not an event of {kind.name} ({known})",
            boot=envelope.boot,
            seq=envelope.seq,
        )
    message = _validate(model, body, envelope)
    part = message.__dict__.get(kind.parts.name, 0) if kind.parts else 0
    metrics = kind.part_metrics if part else kind.metrics
    fields: Fields = dict(model.sets)
    fields.update(_present(metrics, message, {}, ""))
    content = {name: value for name, value in body.items() if name not in FIELDS and name != "type"}
    return Happening(envelope, str(type_), model.safety, part, fields, content)


def decode_reply(payload: bytes) -> Answer:
    """Read a reply to a command."""
    body = parse_object(payload)
    envelope = read_envelope(body)
    reply = _validate(Reply, body, envelope)
    return Answer(envelope, reply, {name: value for name, value in body.items() if name not in FIELDS})


def decode_link(payload: bytes) -> LinkWord:
    """Read a link message, which has no sequence."""
    body = parse_object(payload)
    ts_ms = read_link_ts(body)
    return LinkWord(_validate(Link, body, None), ts_ms)


def _present(metrics: Mapping[str, Metric], message: BaseModel, extra: dict[str, Any], path: str) -> Fields:
    fields: Fields = {}
    values = message.__dict__
    for name in message.__pydantic_fields_set__:
        metric = metrics.get(name)
        if metric is None:
            continue
        value = values[name]
        if value is not None and metric.bounded and not metric.in_range(value):
            extra[path + name] = value
            value = None
        fields[name] = value
    return fields


def _validate(model: type[M], body: Mapping[str, Any], envelope: Envelope | None) -> M:
    try:
        return model.model_validate(body)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_context=False)[0]
        path = ".".join(str(step) for step in first["loc"])
        got = repr(first.get("input"))[:60]
        boot, seq = (envelope.boot, envelope.seq) if envelope else (None, None)
        raise BadMessage("bad_payload", path, f"{first['msg']}, got {got}", boot=boot, seq=seq) from exc
