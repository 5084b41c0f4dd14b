"""A scenario: what happens to which stations in some days, read from a file that a clerk can write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from domain.errors import WaystationError

FOLDER = Path(__file__).resolve().parent / "scenarios"
MAX_BYTES = 200_000
MISTAKES_SHOWN = 20
_SPAN = re.compile(r"(\d{1,6})(s|m|h|d)")
_UNIT_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_CLOCK = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)")


class BadScenario(WaystationError):
    """A scenario cannot be used; each line of the message names file, line and field."""


def _span_s(value: Any) -> int:
    found = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be a time such as 30s, 5m, 6h or 2d")
    return int(found[1]) * _UNIT_S[found[2]]


def _minute_of_day(value: Any) -> int:
    # YAML reads 14:30 as a number of minutes or seconds to the base of sixty.
    if isinstance(value, int) and 0 <= value <= 1_440:
        return value
    found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if found is None or (minute := int(found[1]) * 60 + int(found[2])) > 1_440:
        raise ValueError("must be a time of day such as 14:30")
    return minute


Span = Annotated[int, BeforeValidator(_span_s)]
"""Seconds, written as 30s, 5m, 6h or 2d."""
Clock = Annotated[int, BeforeValidator(_minute_of_day)]
"""Minutes since midnight in China, written as 14:30."""


Area = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, int) else value),
    Field(pattern=r"^\d{2}(\d{2}(\d{2})?)?$"),
]
"""A division of two, four or six digits."""


class _Page(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WeatherPage(_Page):
    """The weather of all days."""

    hottest_c: float | None = Field(None, ge=-20, le=45)
    rain: bool = False
    typhoon: bool = False


class Where(_Page):
    """Which stations a fault may strike; `area` is a division of two, four or six digits."""

    area: Area | None = None
    visits_at_least: float = Field(0, ge=0)
    hours: Literal["any", "24/7"] = "any"


class FaultPage(_Page):
    """One fault: how often and where it strikes, how long it lasts, and what must be said of it.

    `times` counts over the whole scenario, `per_100_a_month` among 100 stations in 30 days. Without `day`
    it strikes at any moment between `from` and `to` of a day. `must_raise` are alerts of which one has to
    come within `within`; `may_raise` are alerts that are no false alarm while it lasts.
    """

    fault: str
    of: str = "station"
    times: int | None = Field(None, ge=0, le=100_000)
    per_100_a_month: float | None = Field(None, ge=0, le=10_000)
    at_least: int = Field(0, ge=0)
    every_station: bool = False
    day: int | None = Field(None, ge=1)
    from_: Clock = Field(0, alias="from")
    to: Clock = 1_440
    lasts: Span = 3_600
    args: Mapping[str, float] = Field(default_factory=dict)
    where: Where = Where()
    must_raise: tuple[str, ...] = ()
    within: Span = 600
    may_raise: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _countable(self) -> FaultPage:
        given = sum((self.times is not None, self.per_100_a_month is not None, self.every_station))
        if given != 1:
            raise ValueError("needs one of times, per_100_a_month and every_station")
        if self.from_ >= self.to:
            raise ValueError("`from` must be before `to`")
        return self

    def count(self, stations: int, days: float) -> int:
        """How often it strikes among so many stations in so many days."""
        if self.every_station:
            return stations
        if self.times is not None:
            return self.times
        return max(self.at_least, round((self.per_100_a_month or 0.0) * stations / 100 * days / 30))


class Scenario(_Page):
    """All that happens; `times` of its faults are meant for so many stations and days."""

    title: str
    about: str = ""
    begins: date
    days: float = Field(7, gt=0, le=60)
    stations: int = Field(1_800, ge=1, le=20_000)
    grade: Literal["any", "smart24h"] = "smart24h"
    seed: int = 1
    weather: WeatherPage = WeatherPage()
    no_faults: tuple[str, ...] = ()
    """Alerts that tell of the day itself (`pre_cool`): neither of a fault nor false."""
    faults: tuple[FaultPage, ...]


def shipped() -> dict[str, Path]:
    """The scenarios that come with Waystation, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}


def load_scenario(name: str | Path) -> Scenario:
    """A shipped scenario by its name, or a file. Raises BadScenario with every mistake's place."""
    path = shipped().get(str(name), Path(name))
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8") if len(raw) <= MAX_BYTES else None
    except UnicodeDecodeError as exc:
        raise BadScenario(f"{path}: is not UTF-8 text (byte {exc.start}).") from exc
    except OSError as exc:
        there = ", ".join(shipped())
        raise BadScenario(f"{path}: cannot be read ({exc.strerror}); there are {there}.") from exc
    if text is None:
        raise BadScenario(f"{path}: is longer than {MAX_BYTES} bytes.")
    return read_scenario(text, str(path))


def read_scenario(text: str, name: str = "scenario") -> Scenario:
    """The scenario that a text describes; BadScenario names file, line and field of each mistake."""
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        raise BadScenario(f"{name}:{mark.line + 1 if mark else 1}: is not YAML: {exc.problem}.") from exc
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        raise BadScenario(f"{name}:1: is not YAML: {exc}.") from exc
    if not isinstance(content, dict):
        raise BadScenario(f"{name}:1: must begin with names such as `title:` and `faults:`.")
    try:
        return Scenario.model_validate(content)
    except ValidationError as exc:
        mistakes = [
            f"{name}:{_line(tree, mistake['loc'])}: {_field(mistake['loc'])}{_said(mistake['msg'])}."
            for mistake in exc.errors()
        ]
        raise BadScenario("\n".join(mistakes[:MISTAKES_SHOWN])) from None


def _field(where: tuple[int | str, ...]) -> str:
    named = ".".join(str(step + 1) if isinstance(step, int) else step for step in where)
    return f"{named}: " if named else ""


def _said(text: str) -> str:
    return text.removeprefix("Value error, ").rstrip(".")


def _line(node: yaml.Node | None, where: tuple[int | str, ...]) -> int:
    """The line of the deepest thing of this place that the file really has."""
    line = 1
    for step in where:
        if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
        elif isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == step]
            if not found:
                break
            key, node = found[0]
            line = key.start_mark.line + 1
            continue
        else:
            break
        line = node.start_mark.line + 1
    return line
