"""Keeps a version whose run has not ended from being deleted: the run would go on to write what is gone."""

from sqlalchemy import select

from studio.backends.stores import Stores
from studio.domain.versions import version_id_of
from studio.errors import RunInProgress
from studio.training.service.outcomes import UNFINISHED
from studio.training.tables import RunRow
from studio.versions import service as versions


@versions.refuses_deletion
def refuse_in_making(stores: Stores, model_id: str, number: int) -> None:
    """Refuse a version that a run is still making.

    Raises:
        RunInProgress: A run is; it carries the run's id.
    """
    version_id = version_id_of(number)
    run_id = versions.find_version(stores, model_id, version_id).run_id
    query = select(RunRow.id).where(RunRow.id == run_id, RunRow.model_id == model_id, RunRow.status.in_(UNFINISHED))
    if stores.db.scalar(query) is not None:
        message = f"Version {version_id} is being made by run {run_id}; cancel the run first, or wait for its end."
        raise RunInProgress(message, run_id=run_id)
