"""The worker's part: takes jobs from the queue, starts their processes, watches over them."""

import logging
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from studio.backends.execution.port import Executor, Handle
from studio.backends.stores import OpenFor
from studio.batch_predictions.service.queue import (
    Claim,
    claim_batch,
    expire_leases,
    has_work,
    renew_lease,
    requeue_batch,
)
from studio.batch_predictions.service.rows import find_row
from studio.batch_predictions.tables import BatchJobRow
from studio.clock import Clock
from studio.config import Config
from studio.datasets import service as datasets
from studio.db.session import Database
from studio.domain.actors import system_actor
from studio.domain.batch_jobs import BatchStatus
from studio.domain.identifiers import is_id
from studio.errors import BatchNotFound

logger = logging.getLogger(__name__)

AT_ONCE = 1
RENEW_EVERY_S = 1.0


@dataclass
class _Live:
    """A job whose process is alive."""

    claim: Claim
    handle: Handle
    renewed: float = 0.0


class BatchDispatcher:
    """Keeps a batch prediction going. One per worker; ``step`` is called again and again."""

    def __init__(
        self,
        database: Database,
        open_stores: OpenFor,
        executor: Executor,
        config: Config,
        *,
        worker_id: str,
        clock: Clock,
        target: str,
    ) -> None:
        """
        Args:
            database: The own tables.
            open_stores: Opens stores.
            executor: Starts processes.
            config: The settings.
            worker_id: The same for every life of this worker, so that a new one takes up its jobs at once.
            clock: The time.
            target: ``module:function`` that does one job, called with config, organization, batch_id and work_folder.
        """
        self._database, self._open, self._executor, self._config = database, open_stores, executor, config
        self._worker_id, self._clock, self._target = worker_id, clock, target
        self._live: dict[str, _Live] = {}
        with database.transaction(write=True) as db:
            expire_leases(db, worker_id, now=clock(), planned=False)

    def step(self) -> None:
        """Look after every live job, then take new ones while there is a seat."""
        for live in list(self._live.values()):
            try:
                self._watch(live)
            except BatchNotFound:  # it went with its model
                self._forget(live)
        while len(self._live) < AT_ONCE and self._start_next():
            pass

    def sweep(self) -> None:
        """Clear up after jobs that ended or went with their model while no process of this worker had them."""
        with self._database.transaction(write=True) as db:
            for holder in datasets.list_holders(db):
                if is_id("batch", holder) and db.get(BatchJobRow, holder) is None:
                    datasets.end_hold(db, holder)
        folder = _folder(self._config.data_folder)
        names = [path.name for path in folder.iterdir()] if folder.exists() else []
        idle = [name for name in names if is_id("batch", name) and name not in self._live]
        unfinished = [status.value for status in BatchStatus if not status.is_finished]
        with self._database.transaction(write=False) as db:
            query = select(BatchJobRow.id).where(BatchJobRow.id.in_(idle), BatchJobRow.status.in_(unfinished))
            wanted = set(db.scalars(query))
        for name in set(idle) - wanted:
            shutil.rmtree(folder / name, ignore_errors=True)

    def stop(self) -> None:
        """End every process at once; their jobs go on when a worker next starts."""
        for live in self._live.values():
            live.handle.kill()
        with self._database.transaction(write=True) as db:
            expire_leases(db, self._worker_id, now=self._clock(), planned=True)
        self._live.clear()

    def _start_next(self) -> bool:
        with self._database.transaction(write=False) as db:
            if not has_work(db):
                return False
        with self._database.transaction(write=True) as db:
            claim = claim_batch(db, self._worker_id, now=self._clock())
        if claim is None:
            return False
        work_folder = _folder(self._config.data_folder) / claim.batch_id
        work_folder.mkdir(parents=True, exist_ok=True)
        arguments = {
            "config": self._config.without_secrets(), "organization": claim.organization,
            "batch_id": claim.batch_id, "work_folder": work_folder,
        }  # fmt: skip
        handle = self._executor.start(claim.batch_id, self._target, arguments, output=work_folder / "output.log")
        self._live[claim.batch_id] = _Live(claim, handle)
        logger.info("batch prediction started", extra={"batch_id": claim.batch_id, "attempt": claim.attempt})
        return True

    def _watch(self, live: _Live) -> None:
        code = live.handle.poll()
        if code is not None:
            self._bury(live, code)
        elif time.monotonic() - live.renewed >= RENEW_EVERY_S:
            live.renewed = time.monotonic()
            with self._open(system_actor(live.claim.organization), write=True) as stores:
                is_held = renew_lease(stores, live.claim.batch_id, self._worker_id)
                has_ended = not is_held and BatchStatus(find_row(stores, live.claim.batch_id).status).is_finished
            if not is_held and not has_ended:  # another worker's now
                self._drop(live)

    def _bury(self, live: _Live, code: int) -> None:
        with self._open(system_actor(live.claim.organization), write=True) as stores:
            requeue_batch(stores, live.claim.batch_id, why=f"its process ended with code {code}")
            has_ended = BatchStatus(find_row(stores, live.claim.batch_id).status).is_finished
        self._drop(live)
        if has_ended:
            shutil.rmtree(_folder(self._config.data_folder) / live.claim.batch_id, ignore_errors=True)

    def _forget(self, live: _Live) -> None:
        self._drop(live)
        shutil.rmtree(_folder(self._config.data_folder) / live.claim.batch_id, ignore_errors=True)

    def _drop(self, live: _Live) -> None:
        live.handle.kill()
        self._live.pop(live.claim.batch_id, None)


def _folder(data_folder: Path) -> Path:
    return data_folder / "batches"
