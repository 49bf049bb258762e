"""What is known of a model's registry entry, and who may change it at a time."""

from sqlalchemy import func, select

from studio.backends.stores import Stores
from studio.versions.tables import RegistryMarkRow


def hold_registry(stores: Stores, model_id: str) -> None:
    """Let nobody else promote, register or reconcile this model until the transaction ends.

    The model's row will not do as the lock: whoever deletes the model holds it first, and these tables' rows
    after it.
    """
    if stores.db.get_bind().dialect.name == "sqlite":
        return  # a writing transaction, begun by its first statement, is alone there
    stores.db.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(model_id, 0))))


def find_mark(stores: Stores, model_id: str) -> RegistryMarkRow:
    """What is known of a model's registry, made empty where nothing is; change it after hold_registry alone."""
    row = stores.db.get(RegistryMarkRow, model_id)
    if row is None:
        row = RegistryMarkRow(
            model_id=model_id,
            organization=stores.organization,
            versions=[],
            promoted=None,
            staged=None,
            updated_at=None,
        )
        stores.db.add(row)
    return row


def find_known_promotion(stores: Stores, model_id: str) -> int | None:
    """Number of the version that is in production as far as is known; None for none."""
    row = stores.db.get(RegistryMarkRow, model_id)
    return row.promoted if row is not None else None
