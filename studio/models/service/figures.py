"""Counts and names of an organization's models, for overviews."""

from collections.abc import Collection

from sqlalchemy import func, select

from studio.backends.stores import Stores
from studio.models.tables import ListingRow


def count_models(stores: Stores, *, model_type: str | None) -> dict[tuple[str, str], int]:
    """How many models the organization has, visible or not, by status and type.

    Args:
        stores: Open stores.
        model_type: Only models of this type.
    """
    query = select(ListingRow.status, ListingRow.model_type, func.count())
    query = query.where(ListingRow.organization == stores.organization)
    if model_type is not None:
        query = query.where(ListingRow.model_type == model_type)
    counted = stores.db.execute(query.group_by(ListingRow.status, ListingRow.model_type))
    return {(status, kind): count for status, kind, count in counted}


def find_names(stores: Stores, model_ids: Collection[str]) -> dict[str, str]:
    """Names of models by id."""
    found = stores.db.execute(select(ListingRow.model_id, ListingRow.name).where(ListingRow.model_id.in_(model_ids)))
    return {row.model_id: row.name for row in found}
