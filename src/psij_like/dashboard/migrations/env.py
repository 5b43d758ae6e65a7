"""What Alembic runs the changes in: the connection that `migrating` has opened, and its transaction."""

from __future__ import annotations

from alembic import context

from psij_like.dashboard.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite can not alter much in place
)
with context.begin_transaction():
    context.run_migrations()
