"""Counts and names of an organization's models, for overviews."""

from collections.abc import Collection

from sqlalchemy import Select, func, select

from studio.backends.stores import Stores
from studio.models.service.records import select_visible_ids
from studio.models.tables import ModelRow


def count_models(stores: Stores, *, model_type: str | None) -> dict[tuple[str, str], int]:
    """How many models the organization has, visible or not, by status and type.

    Args:
        stores: Open stores.
        model_type: Only models of this type.
    """
    query = select(ModelRow.status, ModelRow.model_type, func.count())
    query = query.where(ModelRow.organization == stores.organization)
    if model_type is not None:
        query = query.where(ModelRow.model_type == model_type)
    counted = stores.db.execute(query.group_by(ModelRow.status, ModelRow.model_type))
    return {(status, kind): count for status, kind, count in counted}


def select_ids_of_type(stores: Stores, model_type: str | None, *, visible_only: bool) -> Select[str]:
    """A query for the ids of the organization's models of a type, to be used within others."""
    if visible_only:
        query = select_visible_ids(stores)
    else:
        query = select(ModelRow.id).where(ModelRow.organization == stores.organization)
    return query if model_type is None else query.where(ModelRow.model_type == model_type)


def find_names(stores: Stores, model_ids: Collection[str]) -> dict[str, str]:
    """Names of models by id."""
    found = stores.db.execute(select(ModelRow.id, ModelRow.name).where(ModelRow.id.in_(model_ids)))
    return {row.id: row.name for row in found}
