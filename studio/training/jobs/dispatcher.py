"""The worker's part: takes runs from the queue, starts their processes, watches over them, tells of their deaths."""

import logging
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from studio.backends.execution.port import Executor, Handle
from studio.backends.mlflow.runs import RunEnd
from studio.backends.stores import OpenFor, Stores
from studio.clock import Clock
from studio.config import Config
from studio.db.session import Database
from studio.domain.actors import system_actor
from studio.domain.identifiers import is_run_id
from studio.domain.run_records import Failure, TrainingRun
from studio.domain.runs import RunStatus
from studio.errors import RunNotFound
from studio.training.jobs.peaks import Peaks
from studio.training.jobs.plans import memory_cap_mb
from studio.training.service.outcomes import cancel_orphan, fail_run
from studio.training.service.pauses import settle_pause
from studio.training.service.queue import Claim, claim_run, expire_leases, let_go, note_peaks, renew_lease, requeue_run
from studio.training.service.runs import find_organizations, find_run

logger = logging.getLogger(__name__)

RENEW_EVERY_S = 1.0
MLFLOW_ENDS: Mapping[RunStatus, RunEnd] = {
    RunStatus.COMPLETED: "FINISHED",
    RunStatus.FAILED: "FAILED",
    RunStatus.CANCELLED: "KILLED",
}
OVERRUN_SHARE = 0.05  # a run that keeps its best at its timeout may take so much longer to write it
OVERRUN_S = 15.0


def runs_folder(data_folder: Path) -> Path:
    """Where the work folders of a worker's runs are, each named like its run."""
    return data_folder / "runs"


@dataclass
class _Live:
    """A run whose process is alive."""

    claim: Claim
    handle: Handle
    started: float = field(default_factory=time.monotonic)
    renewed: float = 0.0
    peaks: Peaks = field(init=False)

    def __post_init__(self) -> None:
        self.peaks = Peaks(self.handle)

    @property
    def elapsed_s(self) -> float:
        return self.claim.elapsed_s + time.monotonic() - self.started


class Dispatcher:
    """Keeps as many runs going as the settings allow. One per worker; ``step`` is called again and again."""

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
            worker_id: The same for every life of this worker, so that a new one takes up its runs at once.
            clock: The time.
            target: ``module:function`` that trains one run, called with config, organization, run_id and
                work_folder.
        """
        self._database, self._open, self._executor, self._config = database, open_stores, executor, config
        self._worker_id, self._clock, self._target = worker_id, clock, target
        self._live: dict[str, _Live] = {}
        with database.transaction(write=True) as db:
            expire_leases(db, worker_id, now=clock(), planned=False)

    def step(self) -> None:
        """Look after every live run, then take new ones while there is a seat."""
        for live in list(self._live.values()):
            try:
                self._watch(live)
            except RunNotFound:  # purged with its model, after this worker had not answered for the length of a lease
                self._forget(live)
        while len(self._live) < self._config.concurrent_runs and self._start_next():
            pass

    def sweep(self) -> None:
        """Clear up after runs that ended while no process of this worker had them: those cancelled while they were
        paused, those whose worker was killed at their end, and those another worker has purged.
        """
        folder = runs_folder(self._config.data_folder)
        names = [path.name for path in folder.iterdir()] if folder.exists() else []
        idle = [name for name in names if is_run_id(name) and name not in self._live]
        with self._database.transaction(write=False) as db:
            organizations = find_organizations(db, idle)
        for run_id in idle:
            if run_id not in organizations:
                shutil.rmtree(self._folder_of(run_id), ignore_errors=True)
                continue
            with self._open(system_actor(organizations[run_id]), write=False) as stores:
                run = find_run(stores, run_id)
            if run.status.is_finished:
                self._clear_up(organizations[run_id], run)

    def stop(self) -> None:
        """End every process at once; their runs go on when a worker next starts."""
        for live in self._live.values():
            live.handle.kill()
        with self._database.transaction(write=True) as db:
            expire_leases(db, self._worker_id, now=self._clock(), planned=True)
        self._live.clear()

    def _start_next(self) -> bool:
        with self._database.transaction(write=True) as db:
            claim = claim_run(db, self._worker_id, now=self._clock())
        if claim is None:
            return False
        if claim.pending_action is not None:  # asked of a process that is gone: another need not begin
            self._conclude(claim, lambda stores: _settle(stores, claim))
            return True
        folder = self._folder_of(claim.run_id)
        folder.mkdir(parents=True, exist_ok=True)
        arguments = {
            "config": self._config.without_secrets(), "organization": claim.organization,
            "run_id": claim.run_id, "work_folder": folder,
        }  # fmt: skip
        handle = self._executor.start(claim.run_id, self._target, arguments, output=folder / "output.log")
        self._live[claim.run_id] = _Live(claim, handle)
        logger.info("run started", extra={"run_id": claim.run_id, "attempt": claim.attempt})
        return True

    def _watch(self, live: _Live) -> None:
        code = live.handle.poll()
        if code is not None:
            self._bury(live, f"its process ended with code {code}")
        elif time.monotonic() - live.renewed >= RENEW_EVERY_S:
            live.renewed = time.monotonic()
            self._look_after(live)
        else:
            live.peaks.glance()

    def _look_after(self, live: _Live) -> None:
        claim, peaks = live.claim, live.peaks
        memory_mb = peaks.measure()
        with self._open(system_actor(claim.organization), write=True) as stores:
            asked = renew_lease(
                stores, claim.run_id, self._worker_id,
                elapsed_s=live.elapsed_s, memory_mb=peaks.memory_mb, cpu_percent=peaks.cpu_percent,
            )  # fmt: skip
        if asked == "lost":
            self._kill(live, lambda stores: None)
        elif asked == "cancel":
            self._kill(live, lambda stores: cancel_orphan(stores, claim.run_id, reason="user"))
        elif self._is_overdue(live):
            self._kill(live, lambda stores: cancel_orphan(stores, claim.run_id, reason="timeout"))
        elif memory_mb > memory_cap_mb(self._config):
            message = f"The run used {memory_mb:.0f} MB, more than its {memory_cap_mb(self._config):.0f} MB."
            self._kill(live, lambda stores: self._fail(stores, claim, "out_of_memory", message))

    def _is_overdue(self, live: _Live) -> bool:
        timeout_s = float(live.claim.timeout_s)
        if live.claim.keep_best_on_timeout:
            timeout_s += max(timeout_s * OVERRUN_SHARE, OVERRUN_S)
        return live.elapsed_s >= timeout_s

    def _bury(self, live: _Live, why: str) -> None:
        """A process has ended: its run has too, or goes on in another process, or has died too often."""
        claim, peaks = live.claim, live.peaks

        def conclude(stores: Stores) -> None:
            note_peaks(stores, claim.run_id, memory_mb=peaks.memory_mb, cpu_percent=peaks.cpu_percent)
            if _settle(stores, claim) or requeue_run(stores, claim.run_id, why=why):
                return
            self._fail(stores, claim, "worker_lost", f"Given up after {claim.attempt} starts: {why}.")

        self._conclude(claim, conclude)
        self._forget(live)

    def _kill(self, live: _Live, conclude: Callable[[Stores], None]) -> None:
        live.handle.kill()
        self._conclude(live.claim, conclude)
        self._forget(live)

    def _forget(self, live: _Live) -> None:
        live.handle.kill()
        with self._open(system_actor(live.claim.organization), write=True) as stores:
            let_go(stores, live.claim.run_id, self._worker_id)
        self._live.pop(live.claim.run_id, None)

    def _conclude(self, claim: Claim, conclude: Callable[[Stores], object]) -> None:
        with self._open(system_actor(claim.organization), write=True) as stores:
            conclude(stores)
            run = find_run(stores, claim.run_id)
        if run.status.is_finished:
            self._clear_up(claim.organization, run)

    def _clear_up(self, organization: str, run: TrainingRun) -> None:
        """Close a run's MLflow run, then remove its folder: as long as that is there, the sweep repeats both."""
        if run.mlflow_run_id is not None:
            assert run.completed_at is not None
            with self._open(system_actor(organization), write=False) as stores, suppress(RunNotFound):
                stores.runs.end_run(run.mlflow_run_id, MLFLOW_ENDS[run.status], ended_at=run.completed_at)
        shutil.rmtree(self._folder_of(run.run_id), ignore_errors=True)

    def _fail(self, stores: Stores, claim: Claim, code: str, message: str) -> None:
        run = find_run(stores, claim.run_id)
        fail_run(stores, claim.run_id, Failure(code, message, str(run.phase or "startup")))

    def _folder_of(self, run_id: str) -> Path:
        return runs_folder(self._config.data_folder) / run_id


def _settle(stores: Stores, claim: Claim) -> bool:
    """Do what is asked of a run that has no process; False where it has not ended and nothing is asked."""
    run = find_run(stores, claim.run_id)
    if run.status is not RunStatus.RUNNING or settle_pause(stores, claim.run_id):
        return True
    if run.pending_action == "cancel":
        cancel_orphan(stores, claim.run_id, reason="user")
    return run.pending_action == "cancel"
