"""The worker's part: takes runs from the queue, starts their processes, watches over them, tells of their deaths."""

import logging
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.orm import Session

from studio.backends.execution.dispatching import JobDispatcher, LiveJob
from studio.backends.mlflow.runs import RunEnd
from studio.backends.stores import Stores
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
class _LiveRun(LiveJob):
    """A run whose process is alive."""

    claim: Claim
    started: float = field(default_factory=time.monotonic)
    peaks: Peaks = field(init=False)

    def __post_init__(self) -> None:
        self.peaks = Peaks(self.handle)

    def glance(self) -> None:
        """Memory may rise and fall between two renewals."""
        self.peaks.glance()

    @property
    def elapsed_s(self) -> float:
        return self.claim.elapsed_s + time.monotonic() - self.started


class Dispatcher(JobDispatcher[_LiveRun]):
    """Keeps as many runs going as the settings allow; the target is given ``run_id``."""

    gone = RunNotFound  # purged with its model, after this worker had not answered for the length of a lease

    @property
    def seats(self) -> int:
        """As many as the settings allow."""
        return self._config.concurrent_runs

    @property
    def folder(self) -> Path:
        """As purges know it."""
        return runs_folder(self._config.data_folder)

    def sweep(self) -> None:
        """Clear up after runs that ended while no process of this worker had them: those cancelled while they were
        paused, those whose worker was killed at their end, and those another worker has purged.
        """
        idle = [name for name in self._idle_folders() if is_run_id(name)]
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

    def _expire_leases(self, db: Session, *, planned: bool) -> None:
        expire_leases(db, self._worker_id, now=self._clock(), planned=planned)

    def _start_next(self) -> bool:
        with self._database.transaction(write=True) as db:
            claim = claim_run(db, self._worker_id, now=self._clock())
        if claim is None:
            return False
        if claim.pending_action is not None:  # asked of a process that is gone: another need not begin
            self._conclude(claim, lambda stores: _settle(stores, claim))
            return True
        handle = self._start_process(claim.run_id, claim.organization, run_id=claim.run_id)
        self._live[claim.run_id] = _LiveRun(handle, claim)
        logger.info("run started", extra={"run_id": claim.run_id, "attempt": claim.attempt})
        return True

    def _look_after(self, live: _LiveRun) -> None:
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

    def _is_overdue(self, live: _LiveRun) -> bool:
        timeout_s = float(live.claim.timeout_s)
        if live.claim.keep_best_on_timeout:
            timeout_s += max(timeout_s * OVERRUN_SHARE, OVERRUN_S)
        return live.elapsed_s >= timeout_s

    def _bury(self, live: _LiveRun, why: str) -> None:
        claim, peaks = live.claim, live.peaks

        def conclude(stores: Stores) -> None:
            note_peaks(stores, claim.run_id, memory_mb=peaks.memory_mb, cpu_percent=peaks.cpu_percent)
            if _settle(stores, claim) or requeue_run(stores, claim.run_id, why=why):
                return
            self._fail(stores, claim, "worker_lost", f"Given up after {claim.attempt} starts: {why}.")

        self._conclude(claim, conclude)
        self._forget(live)

    def _kill(self, live: _LiveRun, conclude: Callable[[Stores], None]) -> None:
        live.handle.kill()
        self._conclude(live.claim, conclude)
        self._forget(live)

    def _forget(self, live: _LiveRun) -> None:
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


def _settle(stores: Stores, claim: Claim) -> bool:
    """Do what is asked of a run that has no process; False where it has not ended and nothing is asked."""
    run = find_run(stores, claim.run_id)
    if run.status is not RunStatus.RUNNING or settle_pause(stores, claim.run_id):
        return True
    if run.pending_action == "cancel":
        cancel_orphan(stores, claim.run_id, reason="user")
    return run.pending_action == "cancel"
