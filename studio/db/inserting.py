"""Inserts that may meet themselves: the same row written twice, or by two processes at once, or an id drawn twice."""

from collections.abc import Callable
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


def unused_id(db: Session, table: type[Row], make: Callable[[], str]) -> str:
    """An id no row of a table has: short random ones come twice sooner than one would think.

    Args:
        db: Open session.
        table: Of which table; its key is the id alone.
        make: Makes an id.
    """
    made = make()
    while db.get(table, made) is not None:
        made = make()
    return made
