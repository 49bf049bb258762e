"""Looks for what the terms of the listing hold: words of names and descriptions, and facts as words.

``ListingRow.terms`` says what is kept. SQLite looks in the full-text index ``model_search``, PostgreSQL in a GIN index.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, column, literal, select, table
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.orm import Session, aliased

from studio.db.planning import is_sqlite, unindexed
from studio.domain.words import Word
from studio.models.tables import ListingRow

SEARCH = table("model_search", column("rowid"), column("model_search"))
LONGEST_TAG = 50


@dataclass(frozen=True)
class AllOf:
    """Every part must hold."""

    parts: Sequence["Terms"]


@dataclass(frozen=True)
class AnyOf:
    """One part must hold."""

    parts: Sequence["Terms"]


Terms = Word | AllOf | AnyOf


def select_numbers(db: Session, terms: Terms) -> Select[int]:
    """A query for the listing's numbers of all models whose terms hold what is looked for."""
    if is_sqlite(db):
        return select(SEARCH.c.rowid).where(SEARCH.c.model_search.op("MATCH")(_render(terms, _fts5, " AND ", " OR ")))
    line = aliased(ListingRow)
    return select(line.number).where(_matches(line.terms, terms))


def holds(db: Session, terms: Terms, *, walked: bool = False) -> ColumnElement[bool]:
    """Condition on a line of the listing.

    Args:
        db: Open session.
        terms: What is looked for.
        walked: Whether the lines are gone through in the order of an index, and each is looked at.
    """
    if is_sqlite(db):
        number = unindexed(db, ListingRow.number) if walked else ListingRow.number
        return number.in_(select_numbers(db, terms))
    return _matches(ListingRow.terms, terms)


def fact(name: str, value: str) -> Word:
    """A fact of few possible values, such as ``type``."""
    return Word(f"~{name}:{value}", is_whole=True)


def tag(value: str) -> Word:
    """That a model has a tag; none has one that is too long."""
    return fact("tag", value[: LONGEST_TAG + 1].encode().hex())


def user(db: Session, name: str, user_id: str) -> Word:
    """What is kept of a user: ``role`` on a model, or on a ``private`` one."""
    key = user_id.encode()
    return fact(name, key.hex() if is_sqlite(db) else hashlib.sha256(key).hexdigest()[:32])


def scope(organization: str, status: str | None, *, shared: bool) -> Word:
    """Models of an organization of one status, or all that are not archived.

    Args:
        organization: Its slug.
        status: The status; None for all but the archived ones.
        shared: Whether only those that every member may see.
    """
    return Word(f"~{organization}:{status or 'listed'}{':org' if shared else ''}", is_whole=True)


def _matches(terms_column: Any, terms: Terms) -> ColumnElement[bool]:
    matches: ColumnElement[bool] = terms_column.op("@@", is_comparison=True)(
        literal(_render(terms, _tsquery, " & ", " | ")).cast(TSQUERY)
    )
    return matches


def _render(terms: Terms, of_word: Callable[[Word], str], both: str, either: str) -> str:
    if isinstance(terms, Word):
        return of_word(terms)
    parts = (_render(part, of_word, both, either) for part in terms.parts)
    return f"({(both if isinstance(terms, AllOf) else either).join(parts)})"


def _fts5(word: Word) -> str:
    text = word.text.replace('"', '""')
    return f'"{text}"' if word.is_whole else f'"{text}"*'


def _tsquery(word: Word) -> str:
    text = word.text.replace("\\", "\\\\").replace("'", "''")
    return f"'{text}'" if word.is_whole else f"'{text}':*"
