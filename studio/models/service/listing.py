"""Lists models: how many there are, and one page of them in any order.

A list without words or tags walks an index that holds its order and everything it filters by. With words or tags it
takes what the full-text index finds: sorted where that is little, else picked out on a walk in the order asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, select
from sqlalchemy.orm import Session

from studio.backends.stores import Stores
from studio.db.planning import is_sqlite, plan_for_indexes
from studio.domain.pages import Page
from studio.models.service.filters import ModelFilter, conditions_of, looks_into_texts, terms_of
from studio.models.service.terms import Terms, holds, select_numbers
from studio.models.tables import ListingRow

FEW = 2000  # so many are sorted sooner than they are met on a walk past a hundred thousand
SHOWN = (
    ListingRow.model_id.label("id"), ListingRow.name, ListingRow.model_type, ListingRow.task_type, ListingRow.status,
    ListingRow.version, ListingRow.created_at, ListingRow.updated_at,
)  # fmt: skip


@dataclass(frozen=True)
class _Slice:
    """A page of an order; equal models are ordered by id, in the same direction."""

    sort_by: str
    descending: bool
    offset: int
    limit: int

    def from_behind(self, total: int) -> "_Slice":
        """The same page in the opposite order."""
        end = min(self.offset + self.limit, total)
        return _Slice(self.sort_by, not self.descending, total - end, end - self.offset)

    def sort(self, query: Select[*tuple[Any, ...]], columns: Any) -> Select[*tuple[Any, ...]]:
        """A query in the order; ``columns`` are those it has."""
        keys = (getattr(columns, self.sort_by), columns.model_id)
        return query.order_by(*(key.desc() for key in keys) if self.descending else keys)

    def cut(self, query: Select[*tuple[Any, ...]], columns: Any) -> Select[*tuple[Any, ...]]:
        """The page of a query."""
        return self.sort(query, columns).offset(self.offset).limit(self.limit)


def list_models(stores: Stores, wanted: ModelFilter, *, page: int, page_size: int) -> Page:
    """One page of the models the caller may see. Items are lines of the listing, without configuration."""
    plan_for_indexes(stores.db)
    total = _count(stores, wanted)
    part = _Slice(wanted.sort_by, wanted.descending, (page - 1) * page_size, page_size)
    if part.offset >= total:
        return Page(total, page, page_size, [])
    if part.offset <= total // 2:
        return Page(total, page, page_size, _read(stores, wanted, part, total))
    return Page(total, page, page_size, _read(stores, wanted, part.from_behind(total), total)[::-1])


def _count(stores: Stores, wanted: ModelFilter) -> int:
    query = select_numbers(stores.db, terms_of(stores, wanted))
    if not is_sqlite(stores.db) and not looks_into_texts(stores, wanted):  # there a btree index counts faster
        query = select(ListingRow.number).where(*conditions_of(stores, wanted))
    return stores.db.scalar(select(func.count()).select_from(query.subquery())) or 0


def _read(stores: Stores, wanted: ModelFilter, part: _Slice, total: int) -> Sequence[Row[Any]]:
    if not looks_into_texts(stores, wanted):
        return _walk(stores.db, conditions_of(stores, wanted, walked=True), part)
    terms = terms_of(stores, wanted)
    if total <= FEW:
        return _pick(stores.db, terms, part)
    of_all = ListingRow.organization == stores.organization
    return _walk(stores.db, [of_all, holds(stores.db, terms, walked=True)], part)


def _walk(db: Session, conditions: Sequence[ColumnElement[bool]], part: _Slice) -> Sequence[Row[Any]]:
    """Go along the index of the order; only the lines of the page are then read themselves."""
    met = part.cut(select(ListingRow.number).where(*conditions), ListingRow).subquery()
    query = select(*SHOWN).join(met, met.c.number == ListingRow.number)
    return db.execute(part.sort(query, ListingRow)).all()


def _pick(db: Session, terms: Terms, part: _Slice) -> Sequence[Row[Any]]:
    """Sort all that is found."""
    found = select(ListingRow.model_id, *SHOWN).where(holds(db, terms)).cte("found").prefix_with("MATERIALIZED")
    shown = [found.c[column.key] for column in SHOWN]
    return db.execute(part.cut(select(*shown), found.c)).all()
