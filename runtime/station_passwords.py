"""The passwords that stations hold now, made again from what is noted about them: none is ever stored."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection

from domain.ids import SPEAKER_KIND, DeviceId
from runtime.secrets import Secrets
from signing.station_credential import issue_station, read_jwt
from storage.credentials import Credential, list_credentials
from storage.stations import all_stations

SIMULATOR = "simulator"
"""Stands for the serial number where a simulated station was let in."""


class StationLogin(NamedTuple):
    """How a speaker logs in; `password` is None when an earlier version of Waystation made it otherwise."""

    speaker: DeviceId
    adcode: str
    username: str
    password: str | None


def username(speaker: DeviceId) -> str:
    """A station's edge box has the station's name; a device with its own connection has one of its own."""
    box = speaker.kind == SPEAKER_KIND
    return speaker.station if box else f"{speaker.station}.{speaker.kind}.{speaker.n}"


def serial(secrets: Secrets, password: str) -> str:
    """The number under which a password is noted."""
    return str(read_jwt(password, secrets.account.verify_key)["jti"])


def station_logins(
    connection: Connection, secrets: Secrets, station: str | None = None
) -> list[StationLogin]:
    """The newest credential of each speaker that was not taken back, of one station or of all."""
    known = all_stations(connection)
    revoked = secrets.revocations()
    found = []
    for given in _newest(list_credentials(connection, station)):
        adcode = known[given.speaker.station].adcode
        made = issue_station(secrets.account, adcode, given.speaker.station, given.issued_ms, revoked)
        same = given.public_key in (SIMULATOR, serial(secrets, made))
        found.append(StationLogin(given.speaker, adcode, username(given.speaker), made if same else None))
    return found


def _newest(given: Iterable[Credential]) -> list[Credential]:
    newest: dict[DeviceId, Credential] = {}
    for one in given:
        known = newest.get(one.speaker)
        # Of two of the same millisecond either is as good: they are the same.
        if one.revoked_ms is None and (known is None or one.issued_ms >= known.issued_ms):
            newest[one.speaker] = one
    return sorted(newest.values(), key=lambda one: one.speaker)
