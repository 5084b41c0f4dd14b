"""What came of the last things that a device was told: whether it does them."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from domain.ids import DeviceId
from rules.liveness import Told
from storage.tables import command

_DONE: Final = ("done", "opened", "unused")
_IN_VAIN: Final = ("rejected", "no_answer", "failed")
LOOKED_AT: Final = 2


def last_told(conn: Connection, device: DeviceId, since_ms: int) -> list[Told]:
    """The newest commands that reached an end, newest first. What the hub itself was too late for is none."""
    confirmed_too_late = sa.and_(command.c.state == "expired", command.c.reason == "not_confirmed")
    query = (
        sa.select(command.c.requested_ms, command.c.state)
        .where(
            command.c.station == device.station,
            command.c.kind == device.kind,
            command.c.n == device.n,
            command.c.requested_ms >= since_ms,
            sa.or_(command.c.state.in_((*_DONE, *_IN_VAIN)), confirmed_too_late),
        )
        .order_by(command.c.requested_ms.desc(), command.c.id.desc())
        .limit(LOOKED_AT)
    )
    return [Told(row.requested_ms, row.state in _DONE) for row in conn.execute(query)]
