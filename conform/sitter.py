"""Who is examined, with what, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from domain.ids import DeviceId
from signing.keys import SigningKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Sitter:
    """One station before the kit.

    `word` gives a new random word for ids and stores. `shows_connections` when the line tells of each
    CONNECT and can cut it; `shut_s` is how long it stays cut. `command` names the action to try, otherwise
    it is the first that a device's kind has. `strange_key` is not the hub's.
    """

    adcode: str
    station: str
    key: SigningKey = field(repr=False)
    strange_key: SigningKey = field(repr=False)
    word: Callable[[], str]
    speaker: DeviceId | None = None
    seconds: float = 720.0
    full_report_s: float = 600.0
    shut_s: float | None = None
    shows_connections: bool = True
    command: str | None = None
