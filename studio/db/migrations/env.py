"""Run by Alembic with the connection that ``studio.db.upgrade`` holds."""

from alembic import context

from studio.db.declarative import Row
from studio.db.upgrade import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Row.metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,  # SQLite changes a table by making it anew
)
context.run_migrations()
