"""The shapes of rulebooks, of what differs between two, and of why an alert opened."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.asking import AREA
from api.shapes import Shape, Time

MAX_TEXT = 400_000


class Rulebook(Shape):
    """One version. `area` is empty for the province's; an area's own holds only what differs there."""

    version: int
    area: str
    sha: str = Field(description="SHA-256 of the text, hex")
    actor: str
    loaded: Time
    active: bool


class RulebookText(Rulebook):
    """A version with its text, in YAML."""

    text: str


class Rulebooks(Shape):
    """All versions that may be seen, the newest first."""

    items: list[Rulebook]


class NewRulebook(Shape):
    """A rulebook to check, to compare or to put in force."""

    text: str = Field(min_length=1, max_length=MAX_TEXT, description="YAML, as docs/rulebook.md says")
    area: str = Field(default="", pattern=AREA, description="empty: the province's")


class AreaOnly(Shape):
    """An area that gives up its own rulebook."""

    area: str = Field(min_length=1, pattern=AREA, examples=["331002"])


class CheckedRulebook(Shape):
    """It can be used."""

    rules: int
    cases: int
    sha: str


class FieldChange(Shape):
    """How one field of a rule was, and how it becomes; empty for nothing."""

    was: str
    becomes: str


class RuleChange(Shape):
    """One rule that differs."""

    code: str
    what: Literal["added", "removed", "changed"]
    safety: bool
    fields: dict[str, FieldChange]


class Reach(Shape):
    """Stations and devices of one kind in one county; kind `station` counts the stations themselves."""

    county: str
    kind: str
    stations: int
    devices: int


class RulebookDiff(Shape):
    """What would change, and whom it touches, as far as the caller may see them."""

    since: int = Field(description="the version it is compared with; 0: there is none")
    changes: list[RuleChange]
    reach: list[Reach]


class SeenValue(Shape):
    """A value that the rule saw when it fired."""

    name: str
    value: float | int | bool | str | None
    unit: str | None
    as_of: Time | None
    age_s: float | None = Field(description="how old it was when the alert opened")
    device: str
    boot: str | None
    seq: int | None


class Turn(Shape):
    """A state that the alert went into."""

    state: Literal["pending", "held", "firing", "again", "acknowledged", "resolved"]
    at: Time
    reason: str | None
    by: str | None
    zh: str
    en: str


class FollowedStep(Shape):
    """A state of a command."""

    state: str
    at: Time
    detail: str | None


class FollowedCommand(Shape):
    """A command that was given because of the alert."""

    id: str
    device: str
    action: str
    args: dict[str, int]
    state: str
    reason: str | None
    steps: list[FollowedStep]


class HeldAlert(Shape):
    """An alert that was kept back, and opened only afterwards."""

    id: str
    code: str


class UsedRule(Shape):
    """The rule that fired, as it stands in its version; `text` is null when it is not there any more."""

    version: int
    area: str
    loaded: Time | None
    code: str
    text: str | None


class Explanation(Shape):
    """Why an alert opened and what came of it."""

    alert: str
    text_zh: str
    text_en: str
    noted: bool = Field(description="false: from before reasons were kept, values have no ages")
    cause: Literal["when", "event", "silent", "late"]
    rule: UsedRule
    values: list[SeenValue]
    held_by: list[str] = Field(description="codes of the alerts that kept it back")
    inhibits: list[str] = Field(description="codes that it keeps back while it is open")
    held: list[HeldAlert]
    waiting: list[str] = Field(description="what it keeps back now, as `swap_cabinet/1 cabinet_offline`")
    turns: list[Turn]
    commands: list[FollowedCommand]
