"""Hours: roll-ups of the series, uptime and use of stations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "rollup",
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("part", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hour_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.Column("metrics", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("station", "kind", "n", "part", "hour_ms", name=op.f("pk_rollup")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_rollup_hour_ms", "rollup", ["hour_ms"], unique=False)
    op.create_table(
        "rolled",
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("station", name=op.f("pk_rolled")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "late_hour",
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("hour_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("station", "hour_ms", name=op.f("pk_late_hour")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "uptime_hour",
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("amenity", sa.Text(), nullable=False),
        sa.Column("hour_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("up_ms", sa.BigInteger(), nullable=False),
        sa.Column("down_ms", sa.BigInteger(), nullable=False),
        sa.Column("unknown_ms", sa.BigInteger(), nullable=False),
        sa.Column("closed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("station", "amenity", "hour_ms", name=op.f("pk_uptime_hour")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_uptime_hour_hour_ms", "uptime_hour", ["hour_ms"], unique=False)
    op.create_table(
        "use_hour",
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("hour_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("visits", sa.BigInteger(), nullable=True),
        sa.Column("person_ms", sa.BigInteger(), nullable=False),
        sa.Column("counted_ms", sa.BigInteger(), nullable=False),
        sa.Column("openings", sa.BigInteger(), nullable=False),
        sa.Column("jams", sa.BigInteger(), nullable=False),
        sa.Column("swaps", sa.BigInteger(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("expected", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("station", "hour_ms", name=op.f("pk_use_hour")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_use_hour_hour_ms", "use_hour", ["hour_ms"], unique=False)
