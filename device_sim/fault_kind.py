"""A fault that can be asked for by name, with the arguments that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.errors import WaystationError


class UnknownFault(WaystationError):
    """The simulator has no such station, device, fault or argument; the message lists what there is."""


@dataclass(frozen=True, slots=True)
class Argument:
    """A number with its range; `default` None means that the device chooses."""

    text: str
    low: float
    high: float
    default: float | None = None


@dataclass(frozen=True, slots=True)
class FaultKind:
    """What goes wrong, in one sentence, and its arguments. `once`: it happens and is over."""

    text: str
    args: Mapping[str, Argument] = field(default_factory=dict)
    once: bool = False


FOR_S = Argument("heals by itself after so many seconds", 0.1, 30 * 86_400)


def check_arguments(name: str, kind: FaultKind, given: Mapping[str, object]) -> dict[str, float | None]:
    """All arguments of this fault, defaults filled in; UnknownFault says which are allowed."""
    allowed = dict(kind.args) if kind.once else {**kind.args, "for_s": FOR_S}
    unknown = [name for name in given if name not in allowed]
    if unknown:
        takes = ", ".join(allowed) or "none"
        raise UnknownFault(f"The fault {name} has no argument {unknown[0]!r}; it takes: {takes}.")
    checked: dict[str, float | None] = {}
    for key, argument in allowed.items():
        value = given.get(key, argument.default)
        if value is None:
            checked[key] = None
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise UnknownFault(f"{key} of {name} must be a number, not {value!r}.")
        if not argument.low <= value <= argument.high:
            raise UnknownFault(
                f"{key} of {name} must be between {argument.low:g} and {argument.high:g}, not {value:g}."
            )
        checked[key] = value
    return checked
