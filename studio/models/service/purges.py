"""What is still to be removed of deleted models."""

from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from studio.models.tables import PurgeRow


@dataclass(frozen=True)
class Purge:
    """A deleted model whose runs and files are still there.

    Attributes:
        experiment_id: Its retired MLflow experiment, None where it had none.
    """

    organization: str
    model_id: str
    experiment_id: str | None


def list_purges(db: Session) -> list[Purge]:
    """Every deleted model, of all organizations, that is not purged yet, oldest first."""
    rows = db.scalars(select(PurgeRow).order_by(PurgeRow.created_at))
    return [Purge(row.organization, row.model_id, row.experiment_id) for row in rows]


def end_purge(db: Session, model_id: str) -> None:
    """Nothing is left of a deleted model; safe to repeat."""
    db.execute(delete(PurgeRow).where(PurgeRow.model_id == model_id))
