"""Starts the runs of schedules whose time has come."""

import logging

from studio.backends.stores import OpenFor
from studio.clock import Clock
from studio.db.session import Database
from studio.domain.actors import system_actor
from studio.training.service.schedules import DueSchedule, list_due, start_due

logger = logging.getLogger(__name__)


def start_due_runs(database: Database, open_stores: OpenFor, clock: Clock) -> int:
    """Start every scheduled run that is due; any number of workers may do so at once.

    Returns:
        How many were started.
    """
    with database.transaction(write=False) as db:
        due = list_due(db, clock())
    return sum(_start(open_stores, schedule) for schedule in due)


def _start(open_stores: OpenFor, due: DueSchedule) -> bool:
    try:
        with open_stores(system_actor(due.organization), write=True) as stores:
            return start_due(stores, due.model_id) is not None
    except Exception:  # it stays due, and must not hold up the others
        logger.exception("a scheduled run did not start", extra={"model_id": due.model_id})
        return False
