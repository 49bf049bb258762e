"""Says to the planners of both databases what they cannot know."""

from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.sql.operators import custom_op

SORT_MEMORY = "32MB"  # the names of a hundred thousand models sort in it


def is_sqlite(db: Session) -> bool:
    """Whether a session is on SQLite."""
    return db.get_bind().dialect.name == "sqlite"


def unindexed(db: Session, column: InstrumentedAttribute[Any]) -> ColumnElement[Any]:
    """A column that SQLite shall not look up in an index, so that it walks the index of the order asked for.

    Without statistics it would take whichever index has one more equal column, and sort all it finds there.
    PostgreSQL has statistics and weighs both.
    """
    if not is_sqlite(db):
        return column.expression
    return UnaryExpression(column.expression, operator=custom_op("+"), type_=column.type)


def plan_for_indexes(db: Session) -> None:
    """Let PostgreSQL plan this transaction's queries for the values in them, by indexes, and sort in memory.

    A driver that repeats a statement gets a plan for any value: a word in every text and one in none want two plans.
    And what looking for words in every text costs is a multiple of what its planner takes it to be.
    """
    if not is_sqlite(db):
        settings = {"plan_cache_mode": "force_custom_plan", "enable_seqscan": "off", "work_mem": SORT_MEMORY}
        db.execute(select(*(func.set_config(name, value, True) for name, value in settings.items())))
