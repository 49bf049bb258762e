"""Tells the world about a run while it goes on: events for sockets and logs, child runs for MLflow's pages.

Messages are gathered and written a few times a second by a thread of their own, so that a search of hundreds of
trials a minute does not wait for the database. What a crash loses of them is at most the last fraction of a second;
trials lost that way are told again when the run goes on, because the search's own journal still knows them.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from studio.automl.result import Trial, TrialState
from studio.backends.mlflow.run_values import MetricPoint
from studio.backends.mlflow.runs import Trial as TrackedTrial
from studio.backends.stores import OpenStores
from studio.domain.runs import EventType, Phase, RunStatus
from studio.errors import BackendDown
from studio.training.service.events import append_events
from studio.training.service.runs import find_row

logger = logging.getLogger(__name__)

FLUSH_EVERY_S = 0.2
PROGRESS_EVERY_S = 0.5
SHARES = {  # of a run's whole work, by phase: how far the bar goes
    Phase.DATA_VALIDATION: 0.02,
    Phase.PREPROCESSING: 0.03,
    Phase.ALGORITHM_SEARCH: 0.80,
    Phase.EVALUATION: 0.10,
    Phase.ARTIFACT_UPLOAD: 0.05,
}
PHASES = tuple(Phase)

Message = tuple[EventType, Mapping[str, Any]]


class Reporter:
    """The observer of a search that writes what it hears to the run's events and to MLflow."""

    def __init__(
        self,
        open_stores: OpenStores,
        run_id: str,
        mlflow_run_id: str,
        *,
        metric: str,
        is_better: Callable[[float, float], bool],
        told_trials: set[int],
        best: float | None,
        progress: float,
        budget_s: float | None,
        stage_seconds: Mapping[str, float],
    ) -> None:
        """
        Args:
            open_stores: Opens stores of the run's organization; give ``write``.
            run_id: Id of the run.
            mlflow_run_id: Its MLflow run.
            metric: What trials are compared by.
            is_better: Whether the first score beats the second.
            told_trials: Numbers of the trials an earlier attempt has told of.
            best: The best score it has told of, None for none.
            progress: How far an earlier attempt came, 0..1.
            budget_s: Seconds the run may take from now on, None for no limit.
            stage_seconds: Seconds per phase of earlier attempts.
        """
        self._open_stores, self._run_id, self._mlflow_run_id = open_stores, run_id, mlflow_run_id
        self._metric, self._is_better, self._told = metric, is_better, set(told_trials)
        self._best = best
        self._budget_s, self._started = budget_s, time.monotonic()
        self._phase, self._phase_started = Phase.DATA_VALIDATION, time.monotonic()
        self._progress, self._progress_told = progress, 0.0
        self.stage_seconds: dict[str, float] = dict(stage_seconds)
        self._messages: list[Message] = []
        self._trials: list[Trial] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write_until_stopped, name="reporter", daemon=True)
        self._thread.start()

    def phase(self, phase: str, fraction: float, message: str) -> None:
        """Where the run is; see studio.automl.result.Observer."""
        entered = Phase(phase)
        now = time.monotonic()
        with self._lock:
            is_new = entered is not self._phase
            if is_new:
                self._close_phase(now)
                self._phase = entered
            whole = sum(SHARES[earlier] for earlier in PHASES[: PHASES.index(entered)])
            self._progress = max(self._progress, min(whole + SHARES[entered] * fraction, 0.999))
            if not is_new and fraction < 1 and now - self._progress_told < PROGRESS_EVERY_S:
                return
            self._progress_told = now
            told = {
                "phase": entered, "phase_progress": round(fraction, 4), "progress": round(self._progress, 4),
                "eta_seconds": self._eta_s(now), "message": message,
            }  # fmt: skip
            self._messages.append((EventType.PROGRESS, told))

    def log(self, level: str, message: str, **facts: Any) -> None:
        """One line of the run's log."""
        self._tell(EventType.LOG, {"level": level, "message": message, **facts})

    def trial(self, trial: Trial) -> None:
        """A trial has ended; one told of before a crash is not told again."""
        may_win = trial.state is TrialState.COMPLETE and not trial.message
        if trial.score is not None and may_win and self._beats_best(trial.score):
            self._best = trial.score
        if trial.number in self._told:
            return
        self._told.add(trial.number)
        told = {
            "number": trial.number, "algorithm": trial.algorithm, "params": dict(trial.params), "score": trial.score,
            "best_score": self._best, "state": str(trial.state), "duration_seconds": round(trial.duration_s, 3),
            "fold_scores": list(trial.fold_scores), "latency_ms": _rounded(trial.footprint.latency_ms),
            "size_mb": _rounded(trial.footprint.size_mb), "reason": trial.message or None,
        }  # fmt: skip
        with self._lock:
            self._messages.append((EventType.TRIAL, told))
            step = len(self._told) - 1  # in the order they ended, which is not that of their numbers
            for name, value in ((f"val_{self._metric}", trial.score), (f"best_val_{self._metric}", self._best)):
                self._messages.append((EventType.METRIC, {"name": name, "value": value, "step": step}))
            self._trials.append(trial)

    def close(self) -> dict[str, float]:
        """Write what is left; nothing may be told afterwards.

        Returns:
            Seconds per phase.

        Raises:
            BackendDown: The database does not take it.
        """
        self._stop.set()
        self._thread.join()
        self._close_phase(time.monotonic())
        self._write()
        return self.stage_seconds

    def _tell(self, kind: EventType, fields: Mapping[str, Any]) -> None:
        with self._lock:
            self._messages.append((kind, fields))

    def _beats_best(self, score: float) -> bool:
        return self._best is None or self._is_better(score, self._best)

    def _close_phase(self, now: float) -> None:
        earlier = self.stage_seconds.get(self._phase, 0.0)
        self.stage_seconds[str(self._phase)] = round(earlier + now - self._phase_started, 3)
        self._phase_started = now

    def _eta_s(self, now: float) -> float | None:
        elapsed_s = now - self._started
        if self._budget_s is not None:
            return round(max(self._budget_s - elapsed_s, 0.0), 1)
        if self._progress < 0.05:
            return None
        return round(elapsed_s / self._progress * (1 - self._progress), 1)

    def _write_until_stopped(self) -> None:
        while not self._stop.wait(FLUSH_EVERY_S):
            try:
                self._write()
            except BackendDown:
                logger.warning("the database does not take a run's events; trying again", exc_info=True)

    def _write(self) -> None:
        with self._lock:
            messages, trials = list(self._messages), list(self._trials)
            phase, progress, stages = self._phase, self._progress, dict(self.stage_seconds)
        if messages:
            with self._open_stores(write=True) as stores:
                row = find_row(stores, self._run_id, lock=True)
                is_over = RunStatus(row.status).is_finished  # cancelled with its model: its last message is told
                if not is_over:
                    append_events(stores, self._run_id, messages)
                    row.phase, row.progress = str(phase), max(row.progress, round(progress, 4))
                    row.stage_seconds = stages
                    if any(kind is EventType.TRIAL for kind, _ in messages):
                        row.attempts = 1  # only starts that bring nothing count towards giving up
            with self._lock:
                del self._messages[: len(messages)]
                if is_over:
                    del self._trials[: len(trials)]
                    return
        for trial in trials:
            self._track(trial)
            with self._lock:
                self._trials.pop(0)

    def _track(self, trial: Trial) -> None:
        state = {TrialState.COMPLETE: "completed"}.get(trial.state, str(trial.state))
        with self._open_stores(write=False) as stores:
            stores.runs.log_trial(
                self._mlflow_run_id,
                TrackedTrial(
                    number=trial.number, algorithm=trial.algorithm, params=trial.params, metric=self._metric,
                    score=trial.score, state=state, started_at=trial.started_at, duration_s=trial.duration_s,  # type: ignore[arg-type]
                ),
            )  # fmt: skip
            if trial.score is not None:
                point = MetricPoint(f"val_{self._metric}", trial.score, step=trial.number, at=stores.now())
                stores.runs.log_metrics(self._mlflow_run_id, [point])


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
