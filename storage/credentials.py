"""Which key each speaker was given, so that it can be taken back."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from domain.ids import DeviceId
from storage.bulk import Insert
from storage.tables import credential

_ADD = Insert(credential, on_conflict="keep")


class Credential(NamedTuple):
    """The public half of a speaker's key; the other half never was here."""

    speaker: DeviceId
    public_key: str
    issued_ms: int
    revoked_ms: int | None = None


def add_credential(connection: Connection, given: Credential) -> None:
    """Note a key that was given out; a key that is there already stays as it is."""
    _ADD.run(connection, [(*given.speaker, given.public_key, given.issued_ms, given.revoked_ms)])


def revoke_credentials(connection: Connection, speaker: DeviceId, now_ms: int) -> list[str]:
    """Take all keys of a speaker back; returns those that were valid until now."""
    taken = connection.scalars(
        sa.update(credential)
        .where(
            credential.c.station == speaker.station,
            credential.c.speaker_kind == speaker.kind,
            credential.c.speaker_n == speaker.n,
            credential.c.revoked_ms.is_(None),
        )
        .values(revoked_ms=now_ms)
        .returning(credential.c.public_key)
    )
    return sorted(taken)


def list_credentials(connection: Connection, station: str | None = None) -> list[Credential]:
    """Keys of one station, or of all; the revoked ones too."""
    wanted = sa.select(credential).order_by(
        credential.c.station, credential.c.speaker_kind, credential.c.speaker_n, credential.c.issued_ms
    )
    if station is not None:
        wanted = wanted.where(credential.c.station == station)
    return [
        Credential(
            DeviceId(row.station, row.speaker_kind, row.speaker_n),
            row.public_key,
            row.issued_ms,
            row.revoked_ms,
        )
        for row in connection.execute(wanted)
    ]
