"""Which organizations' registries MLflow clients have written to: comparing them all every few seconds would read
every registered model there is.
"""

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from studio.backends.stores import Stores
from studio.versions.tables import RegistryChangeRow


def note_change(stores: Stores) -> None:
    """An MLflow client has written to the organization's registry; safe to repeat."""
    dialect = sqlite if stores.db.get_bind().dialect.name == "sqlite" else postgresql
    noted = dialect.insert(RegistryChangeRow).values(organization=stores.organization)
    stores.db.execute(noted.on_conflict_do_nothing())


def has_changes(db: Session) -> bool:
    """Whether any organization is noted."""
    return db.scalar(select(RegistryChangeRow.organization).limit(1)) is not None


def take_changes(db: Session) -> list[str]:
    """The organizations noted since the last call, to be compared once this transaction has ended."""
    return list(db.scalars(delete(RegistryChangeRow).returning(RegistryChangeRow.organization)))
