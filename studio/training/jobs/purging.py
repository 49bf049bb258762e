"""Removes what is left of deleted models: runs, events, MLflow's runs and experiment, files.

Every step is safe to repeat and the note of what is to be done goes last, so that a worker that dies in between is
followed by one that does the rest.
"""

import logging
import shutil
from pathlib import Path

from sqlalchemy import delete, select

from studio.backends.stores import OpenFor, Stores
from studio.db.session import Database
from studio.domain.actors import system_actor
from studio.models import service as models
from studio.training.jobs.dispatcher import runs_folder
from studio.training.tables import RunEventRow, RunRow

logger = logging.getLogger(__name__)


def purge_deleted(database: Database, open_stores: OpenFor, data_folder: Path) -> int:
    """Purge every deleted model whose runs have no process any more.

    Args:
        database: The own tables.
        open_stores: Opens stores.
        data_folder: Where the work folders of runs are.

    Returns:
        How many were purged.
    """
    with database.transaction(write=False) as db:
        waiting = models.list_purges(db)
    return sum(_purge(open_stores, purge, data_folder) for purge in waiting)


def _purge(open_stores: OpenFor, purge: models.Purge, data_folder: Path) -> bool:
    actor = system_actor(purge.organization)
    with open_stores(actor, write=False) as stores:
        if _has_process(stores, purge.model_id):
            return False
        if purge.experiment_id is not None:
            stores.registry.purge(purge.experiment_id)
        stores.files.delete_folder(purge.model_id)
        for run_id in stores.db.scalars(select(RunRow.id).where(RunRow.model_id == purge.model_id)):
            shutil.rmtree(runs_folder(data_folder) / run_id, ignore_errors=True)  # of one that never ran again
    with open_stores(actor, write=True) as stores:
        runs = select(RunRow.id).where(RunRow.model_id == purge.model_id)
        stores.db.execute(delete(RunEventRow).where(RunEventRow.run_id.in_(runs)))
        stores.db.execute(delete(RunRow).where(RunRow.model_id == purge.model_id))
        models.end_purge(stores.db, purge.model_id)
    logger.info("deleted model purged", extra={"model_id": purge.model_id})
    return True


def _has_process(stores: Stores, model_id: str) -> bool:
    """Whether a worker has yet to end the process of a run, or died itself too short a time ago to be sure."""
    query = select(RunRow.id).where(RunRow.model_id == model_id, RunRow.lease_until > stores.now()).limit(1)
    return stores.db.scalar(query) is not None
