"""Run by Alembic: the migrations, on the connection that `store/migrate.py` gives."""

from __future__ import annotations

from alembic import context

from orchestrator.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite cannot change a column; Alembic then makes the table anew.
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
