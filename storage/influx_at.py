"""Where InfluxDB is; it can be named without loading its client."""

from __future__ import annotations

from typing import NamedTuple


class InfluxAt(NamedTuple):
    """Where InfluxDB is and what is ours there. The token is secret: `repr` leaves it out."""

    url: str
    org: str
    bucket: str
    token: str

    def __repr__(self) -> str:
        return f"InfluxAt(url={self.url!r}, org={self.org!r}, bucket={self.bucket!r})"
