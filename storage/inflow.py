"""What the gateway needs of a series: to put readings in, and to find the newest again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from sqlalchemy import Connection

from storage.said_since import Said
from storage.series_row import SeriesRow


class Inflow(Protocol):
    """Every `storage.series.Series` is one."""

    @property
    def in_order(self) -> bool:
        """True where `said_since` finds all that came after `cover`, however late it was."""
        ...

    def append(self, connection: Connection, kind: str, rows: Sequence[SeriesRow]) -> None:
        """Keep the messages of one kind, within the caller's transaction."""
        ...

    def position(self, connection: Connection) -> int:
        """Where the newest reading stands; 0 where readings have no order of arrival."""
        ...

    def cover(self, connection: Connection, position: int) -> None:
        """All readings up to this position are in states and boots, too: `said_since` may leave them out."""
        ...

    def said_since(self, connection: Connection, kind: str) -> Iterator[Said]:
        """Readings of a kind that are newer than what is written of states and boots, in no order."""
        ...
