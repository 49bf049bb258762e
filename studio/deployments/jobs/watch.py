"""Rolls deployments back by itself when their requests go worse than they may."""

import logging
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from studio.audit import service as audit
from studio.backends.stores import OpenFor
from studio.clock import Clock, format_time
from studio.db.session import Database
from studio.deployments.service.counting import JUDGED_OVER, find_excess, forget_counts, read_figures
from studio.deployments.service.rolling_back import rollback_deployment
from studio.deployments.service.rows import find_row
from studio.deployments.tables import DeploymentRow
from studio.domain.actors import system_actor
from studio.domain.deployments import ACTIVE, AutoRollback
from studio.domain.versions import version_id_of
from studio.errors import Conflict, NoPreviousVersion, NotFound

logger = logging.getLogger(__name__)

ACTION = "model.deployment_rolled_back"


class Watch:
    """Judges the deployments that have limits, by what the processes of the API counted of the last five minutes."""

    def __init__(self, database: Database, open_stores: OpenFor, clock: Clock) -> None:
        """
        Args:
            database: Own tables.
            open_stores: Opens stores of an organization.
            clock: The time.
        """
        self._database, self._open_stores, self._clock = database, open_stores, clock

    def step(self) -> None:
        """Judge every deployment once; a repeat changes nothing more."""
        now = self._clock()
        with self._database.transaction(write=False) as db:
            served = DeploymentRow.served_since.is_not(None), DeploymentRow.status.in_(ACTIVE)
            rows = [row for row in db.scalars(select(DeploymentRow).where(*served)) if _has_limits(row)]
            found = [(row, self._find_excess(db, row, now)) for row in rows]
        for row, excess in found:
            if excess is not None:
                self._roll_back(row, f"At {format_time(now)} {excess} within 5 minutes.")

    def forget(self) -> None:
        """Remove counts nobody asks for any more."""
        with self._database.transaction(write=True) as db:
            forget_counts(db, now=self._clock())

    def _find_excess(self, db: Session, row: DeploymentRow, now: datetime) -> str | None:
        assert row.served_since is not None
        since = max(now - JUDGED_OVER, row.served_since)
        return find_excess(
            read_figures(db, row.id, version_id_of(row.version), since=since), AutoRollback(**row.auto_rollback)
        )

    def _roll_back(self, seen: DeploymentRow, reason: str) -> None:
        try:
            with self._open_stores(system_actor(seen.organization), write=True) as stores:
                rollback_deployment(stores, seen.model_id, seen.id, reason=reason, automatic=True)
                if stores.note is not None:
                    audit.append_entry(stores, ACTION, model_id=seen.model_id, details=stores.note.details)
                    logger.warning("deployment rolled back", extra={"deployment_id": seen.id, "reason": reason})
        except NoPreviousVersion:
            with self._open_stores(system_actor(seen.organization), write=True) as stores:
                row = find_row(stores, seen.model_id, seen.id, lock=True)
                row.note = f"{reason} It has no earlier version to return to."
        except (Conflict, NotFound):
            pass  # stopped or deleted at this moment


def _has_limits(row: DeploymentRow) -> bool:
    return any(limit is not None for limit in row.auto_rollback.values())
