"""The pydantic models from which each kind's telemetry, events and replies are made."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from domain.facts import Value


def metric(
    doc: str,
    *,
    unit: str | None = None,
    low: float | None = None,
    high: float | None = None,
    fresh_s: int = 600,
) -> Any:
    """Declare a field that is measured: its unit, its valid range, and the age after which it is unknown.

    A value outside the range is kept in history as sent, but counts as unknown: one broken sensor
    must not silence the rest of its device.
    """
    extra: dict[str, Any] = {"x-fresh-s": fresh_s}
    if unit is not None:
        extra["x-unit"] = unit
    if low is not None:
        extra["x-valid-from"] = low
    if high is not None:
        extra["x-valid-to"] = high
    return Field(default=None, description=doc, json_schema_extra=extra)


class Message(BaseModel):
    """Unknown fields are kept, wrong types refused with their path."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False, protected_namespaces=())

    v: Literal[1] = Field(description="version of the contract")
    ts: int | None = Field(
        default=None, description="device time in epoch milliseconds; null without a clock"
    )
    boot: str = Field(
        pattern=r"^[0-9A-Za-z_-]{1,32}$", description="random word, new at each start of the speaker"
    )
    seq: int = Field(ge=0, description="rises by one per message of this boot, over both lanes")
    low: int | None = Field(default=None, ge=0, description="oldest seq that the speaker still holds")


class Telemetry(Message):
    """State, every 10 to 60 s and on change. An absent field keeps its value; null is known to be unknown."""


class Part(BaseModel):
    """One of several equal parts of a device, such as a slot; lists of parts merge by `n`."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False, protected_namespaces=())

    n: int = Field(ge=1, le=64)


class Event(Message):
    """Something that happened once. `sets` are facts that follow from it besides its own metrics."""

    sets: ClassVar[dict[str, Value]] = {}
    safety: ClassVar[bool] = False

    type: str


class Reply(Message):
    """What a device answers to a command: a nonce, that it accepted, refused, or did it."""

    id: str = Field(min_length=1, max_length=64)
    state: Literal["nonce", "accepted", "rejected", "done"]
    nonce: str | None = Field(
        default=None, max_length=64, description="16 bytes as base64url; lives 5 s, used once"
    )
    reason: str | None = Field(default=None, max_length=120)


class Link(BaseModel):
    """A speaker says that it is there. Outside `seq`; sent again until an ack echoes its `conn`."""

    model_config = ConfigDict(extra="allow", strict=True, protected_namespaces=())

    v: Literal[1]
    online: bool
    boot: str = Field(pattern=r"^[0-9A-Za-z_-]{1,32}$")
    conn: int = Field(ge=0, description="rises with each connection")
    ts: int | None = None
    versions: dict[str, str] = Field(default_factory=dict, max_length=16)
    dropped: int = Field(default=0, ge=0, description="messages that the buffer had to give up")
