"""Which organizations' registries MLflow clients have written to: comparing them all every few seconds would read
every registered model there is.
"""

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from studio.backends.stores import Stores
from studio.db.inserting import insert_unless_there
from studio.versions.tables import RegistryChangeRow


def note_change(stores: Stores) -> None:
    """An MLflow client has written to the organization's registry; safe to repeat."""
    insert_unless_there(stores.db, RegistryChangeRow, organization=stores.organization)


def has_changes(db: Session) -> bool:
    """Whether any organization is noted."""
    return db.scalar(select(RegistryChangeRow.organization).limit(1)) is not None


def take_changes(db: Session) -> list[str]:
    """The organizations noted since the last call, to be compared once this transaction has ended."""
    return list(db.scalars(delete(RegistryChangeRow).returning(RegistryChangeRow.organization)))
