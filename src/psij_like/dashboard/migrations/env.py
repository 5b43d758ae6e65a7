"""What Alembic runs the changes in: the connection that `migrating` has opened."""

from __future__ import annotations

from alembic import context

from psij_like.dashboard.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite can not alter much in place
    transactional_ddl=True,  # all changes or none: SQLite can do that as well as PostgreSQL
)
with context.begin_transaction():
    context.run_migrations()
