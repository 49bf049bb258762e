"""Which models a list holds: what is asked for, and what the caller may see.

Everything is said twice: as conditions on columns of the listing, for a walk along an index, and as terms, for the
full-text index. Both must let the same models through.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from studio.backends.stores import Stores
from studio.db.planning import unindexed
from studio.domain.model_records import ModelStatus, Visibility
from studio.domain.permissions import ADMIN, VIEWER
from studio.domain.words import wanted_words
from studio.models.service.terms import AllOf, AnyOf, Terms, fact, scope, select_numbers, tag, user
from studio.models.tables import ListingRow


@dataclass(frozen=True)
class ModelFilter:
    """Which models are listed, and in which order; None leaves a side open."""

    status: str | None = None
    model_type: str | None = None
    task_type: str | None = None
    search: str | None = None
    tags: Sequence[str] = ()
    sort_by: str = "created_at"
    descending: bool = True


def is_of_model(
    stores: Stores, model_id: InstrumentedAttribute[Any], *, model_type: str | None, visible_only: bool
) -> ColumnElement[bool]:
    """Condition on a column of model ids in another table: the organization has such a model.

    Args:
        stores: Open stores.
        model_id: The column.
        model_type: Only models of this type.
        visible_only: Only models the caller may see.
    """
    conditions = [ListingRow.model_id == model_id, ListingRow.organization == stores.organization]
    if model_type is not None:
        conditions.append(ListingRow.model_type == model_type)
    return exists().where(*conditions, *(_visibility(stores) if visible_only else ()))


def select_hidden_names(stores: Stores) -> Select[str]:
    """Query for the names of the models that every other member may not see, and the caller has no role on."""
    own = select_numbers(stores.db, _own(stores, "private"))
    return select(ListingRow.name).where(
        ListingRow.organization == stores.organization,
        ListingRow.visibility == str(Visibility.PRIVATE),
        ListingRow.number.not_in(own),
    )


def looks_into_texts(stores: Stores, wanted: ModelFilter) -> bool:
    """Whether terms alone can tell: words or tags are asked for, or the caller sees nothing but by its roles."""
    return bool(wanted_words(wanted.search or "") or wanted.tags or not _sees_shared(stores))


def terms_of(stores: Stores, wanted: ModelFilter) -> Terms:
    """All of a filter as terms."""
    sought = [*wanted_words(wanted.search or ""), *map(tag, wanted.tags)]
    given = (("type", wanted.model_type), ("task", wanted.task_type))
    chosen = [fact(name, value) for name, value in given if value]
    shared, every = (scope(stores.organization, wanted.status, shared=shared) for shared in (True, False))
    if ADMIN in stores.actor.permissions:
        return AllOf([*sought, *chosen, every])
    if not _sees_shared(stores):
        return AllOf([*sought, *chosen, every, _own(stores, "role")])
    return AllOf([*sought, *chosen, AnyOf([shared, AllOf([every, _own(stores, "private")])])])


def conditions_of(stores: Stores, wanted: ModelFilter, *, walked: bool = False) -> list[ColumnElement[bool]]:
    """A filter without words and tags as conditions on columns.

    Args:
        stores: Open stores.
        wanted: The filter.
        walked: Whether the lines are gone through in the order of an index, and each is looked at.
    """
    given = (
        (ListingRow.status, wanted.status),
        (ListingRow.model_type, wanted.model_type),
        (ListingRow.task_type, wanted.task_type),
    )
    chosen = [(unindexed(stores.db, column) if walked else column) == value for column, value in given if value]
    if wanted.status is None:
        chosen.append(ListingRow.status != str(ModelStatus.ARCHIVED))
    return [ListingRow.organization == stores.organization, *chosen, *_visibility(stores)]


def _visibility(stores: Stores) -> list[ColumnElement[bool]]:
    """What leaves models out that the caller may not see."""
    if ADMIN in stores.actor.permissions:
        return []
    if not _sees_shared(stores):
        return [ListingRow.number.in_(select_numbers(stores.db, _own(stores, "role")))]
    private = ListingRow.number.in_(select_numbers(stores.db, _own(stores, "private")))
    return [or_(ListingRow.visibility == str(Visibility.ORG), private)]


def _sees_shared(stores: Stores) -> bool:
    return bool(stores.actor.permissions & {"model:read", VIEWER, ADMIN})


def _own(stores: Stores, name: str) -> Terms:
    return user(stores.db, name, stores.actor.user_id or "")
