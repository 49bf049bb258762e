"""What the worker does for datasets: removes deleted ones, and uploads whose process died."""

import logging
from datetime import timedelta
from functools import partial
from pathlib import Path

from studio.backends.files.work_folder import sweep_work_folders
from studio.backends.stores import OpenFor
from studio.datasets import service
from studio.db.session import Database
from studio.domain.actors import system_actor
from studio.errors import BackendDown

SILENT_FOR = timedelta(minutes=10)  # longest pause in the writing of one file

logger = logging.getLogger(__name__)


def sweep_incomplete(database: Database, open_stores: OpenFor, data_folder: Path) -> int:
    """Remove the files and rows of deleted datasets, and of uploads whose process died; safe to repeat.

    Every step can be cut off: the row, which says what is to be done, goes last. A file that was being written when
    its process died has no key yet, and goes once it is old enough.

    Args:
        database: The own tables.
        open_stores: Opens stores for an actor.
        data_folder: The data folder of the settings, where uploads are worked on.

    Returns:
        How many datasets went.
    """
    sweep_work_folders(data_folder / "uploads")
    with open_stores(system_actor("-"), write=False) as stores:
        stores.files.sweep(SILENT_FOR.total_seconds())
    with database.transaction(write=False) as db:
        waiting = service.list_incomplete(db)
    return sum(_sweep(open_stores, incomplete) for incomplete in waiting)


def _sweep(open_stores: OpenFor, incomplete: service.Incomplete) -> bool:
    open_apart = partial(open_stores, system_actor(incomplete.organization))
    try:
        with open_apart(write=False) as stores:
            if not incomplete.is_abandoned(stores.now()):
                return False
        with open_apart(write=True) as stores:
            if not service.give_up(stores, incomplete.dataset_id, incomplete.uploader):
                return False
        service.remove_rest(open_apart, incomplete.dataset_id)
    except BackendDown:  # others may well be removed
        logger.warning("dataset not removed yet", extra={"dataset_id": incomplete.dataset_id})
        return False
    logger.info("dataset removed", extra={"dataset_id": incomplete.dataset_id})
    return True
