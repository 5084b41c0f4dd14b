"""Ages of what a station's devices said, beside their states, which are written less often."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "station_ages",
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("ages", sa.Text(), nullable=False),
        sa.Column("written_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("station", name=op.f("pk_station_ages")),
        sqlite_with_rowid=False,
    )
    op.drop_index("ix_device_state_version", "device_state")
    op.drop_column("device_state", "version")
    op.drop_column("device_state", "due_ms")
    op.execute("DELETE FROM version WHERE writer = 'device_state'")
