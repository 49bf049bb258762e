"""Inserts that may meet themselves: the same row written twice, or by two processes at once."""

from typing import Any

from sqlalchemy import literal
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from studio.db.declarative import Row


def insert_unless_there(db: Session, table: type[Row], **values: Any) -> bool:
    """Add a row unless one of its key is there, which then stays as it is.

    Args:
        db: Open writing session.
        table: Of which table.
        values: The columns, the key among them.

    Returns:
        True when it was added.
    """
    dialect = sqlite if db.get_bind().dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table).values(**values).on_conflict_do_nothing()
    return db.execute(statement.returning(literal(1))).first() is not None
