"""The shapes of a back-test: what is asked, and what two rulebooks would have raised."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from api.asking import AREA
from api.shapes import Shape, Time
from api.shapes_rules import MAX_TEXT


class NewBacktest(Shape):
    """A rulebook to try on what is stored."""

    text: str = Field(min_length=1, max_length=MAX_TEXT, description="YAML, as docs/rulebook.md says")
    area: str = Field(default="", pattern=AREA, description="stations of this area; empty: all that are seen")
    own: bool = Field(default=False, description="the text is the own rulebook of `area`, not the province's")
    hours: int = Field(default=168, ge=1, le=720, description="how far back")


class Example(Shape):
    """One alert that would have fired. `lasted_s` is null when it was still open at the end."""

    station: str
    device: str
    part: int
    begun: Time
    lasted_s: int | None
    values: dict[str, Any]
    text_zh: str
    text_en: str


class RuleCount(Shape):
    """One rule under one rulebook. `failed`: how often its condition could not be evaluated."""

    alerts: int
    open_s: int
    still_open: int
    flaps: int
    failed: int
    examples: list[Example]


class CountyCount(Shape):
    """Alerts of one rule in one county."""

    adcode: str
    before: int
    after: int


class RuleChange(Shape):
    """One rule: under the rulebook in force, and under the new one."""

    code: str
    severity: str
    before: RuleCount
    after: RuleCount
    counties: list[CountyCount]


class Backtest(Shape):
    """What both rulebooks would have raised, the rules that differ most first."""

    from_: Time = Field(alias="from")
    to: Time
    stations: int
    devices: int
    messages: int
    before: int
    after: int
    summary: str = Field(examples=["31 alerts instead of 412"])
    rules: list[RuleChange]
