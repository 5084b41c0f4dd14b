"""Why alerts opened."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "alert_basis",
        sa.Column("alert_id", sa.Text(), nullable=False),
        sa.Column("flap", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("alert_id", "flap", name=op.f("pk_alert_basis")),
        sqlite_with_rowid=False,
    )
