"""How Alembic reaches the database: always through the connection that storage/migrate.py hands in."""

from __future__ import annotations

from alembic import context

from storage.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
)
with context.begin_transaction():
    context.run_migrations()
