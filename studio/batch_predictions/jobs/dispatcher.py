"""The worker's part: takes jobs from the queue, starts their processes, watches over them."""

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from studio.backends.execution.dispatching import JobDispatcher, LiveJob
from studio.batch_predictions.service.queue import (
    UNFINISHED,
    Claim,
    claim_batch,
    expire_leases,
    has_work,
    renew_lease,
    requeue_batch,
)
from studio.batch_predictions.service.rows import find_row
from studio.batch_predictions.tables import BatchJobRow
from studio.datasets import service as datasets
from studio.domain.actors import system_actor
from studio.domain.batch_jobs import BatchStatus
from studio.domain.identifiers import is_id
from studio.errors import BatchNotFound

logger = logging.getLogger(__name__)

AT_ONCE = 1


@dataclass
class _LiveBatch(LiveJob):
    """A batch prediction whose process is alive."""

    claim: Claim


class BatchDispatcher(JobDispatcher[_LiveBatch]):
    """Keeps a batch prediction going; the target is given ``batch_id``."""

    gone = BatchNotFound
    seats = AT_ONCE

    @property
    def folder(self) -> Path:
        """In the data folder."""
        return self._config.data_folder / "batches"

    def sweep(self) -> None:
        """Clear up after jobs that ended or went with their model while no process of this worker had them."""
        with self._database.transaction(write=True) as db:
            for holder in datasets.list_holders(db):
                if is_id("batch", holder) and db.get(BatchJobRow, holder) is None:
                    datasets.end_hold(db, holder)
        idle = [name for name in self._idle_folders() if is_id("batch", name)]
        with self._database.transaction(write=False) as db:
            query = select(BatchJobRow.id).where(BatchJobRow.id.in_(idle), BatchJobRow.status.in_(UNFINISHED))
            wanted = set(db.scalars(query))
        for name in set(idle) - wanted:
            shutil.rmtree(self._folder_of(name), ignore_errors=True)

    def _expire_leases(self, db: Session, *, planned: bool) -> None:
        expire_leases(db, self._worker_id, now=self._clock(), planned=planned)

    def _start_next(self) -> bool:
        with self._database.transaction(write=False) as db:
            if not has_work(db):
                return False
        with self._database.transaction(write=True) as db:
            claim = claim_batch(db, self._worker_id, now=self._clock())
        if claim is None:
            return False
        handle = self._start_process(claim.batch_id, claim.organization, batch_id=claim.batch_id)
        self._live[claim.batch_id] = _LiveBatch(handle, claim)
        logger.info("batch prediction started", extra={"batch_id": claim.batch_id, "attempt": claim.attempt})
        return True

    def _look_after(self, live: _LiveBatch) -> None:
        with self._open(system_actor(live.claim.organization), write=True) as stores:
            is_held = renew_lease(stores, live.claim.batch_id, self._worker_id)
            has_ended = not is_held and BatchStatus(find_row(stores, live.claim.batch_id).status).is_finished
        if not is_held and not has_ended:  # another worker's now
            self._drop(live)

    def _bury(self, live: _LiveBatch, why: str) -> None:
        with self._open(system_actor(live.claim.organization), write=True) as stores:
            requeue_batch(stores, live.claim.batch_id, why=why)
            has_ended = BatchStatus(find_row(stores, live.claim.batch_id).status).is_finished
        self._drop(live)
        if has_ended:
            shutil.rmtree(self._folder_of(live.claim.batch_id), ignore_errors=True)

    def _forget(self, live: _LiveBatch) -> None:
        self._drop(live)
        shutil.rmtree(self._folder_of(live.claim.batch_id), ignore_errors=True)

    def _drop(self, live: _LiveBatch) -> None:
        live.handle.kill()
        self._live.pop(live.claim.batch_id, None)
