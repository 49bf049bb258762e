"""Running the trials: hands configurations to processes, hears their reports and stops in time."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from studio.automl.assembly import MAX_TRAIN_ROWS
from studio.automl.cores import usable_cores
from studio.automl.estimators import EstimatorFamily
from studio.automl.fitting import Configuration
from studio.automl.problem import Problem
from studio.automl.result import Observer, Trial, TrialState
from studio.automl.schedule import Schedule
from studio.automl.tasks import FoldReport, TrialOutcome, TrialTask, make_server, models_path, outputs_path
from studio.automl.workers import Event, WorkerPool
from studio.errors import SearchPaused
from studio.evaluation.metrics import is_better

MAX_PARALLEL = 8
SOFT_SHARE = 0.3  # of the remaining time a trial may grow for
HARD_SHARE = 0.6  # of the remaining time after which it is killed
REFIT_SHARE = 0.2  # of the budget that may be kept for final fits; what they miss, fold models do
PROGRESS_S = 1.0  # between two words on the progress where no trial has ended
KEPT_MODELS = 8  # of the best trials, whose fold models stay on disk


@dataclass(frozen=True)
class Started:
    """A trial that began; ``params`` are the searched values alone."""

    number: int
    family: str
    origin: str
    params: Mapping[str, Any]


@dataclass
class TrialFacts:
    """What is kept of a trial besides score and state."""

    duration_s: float = 0.0
    started_at: str = ""
    message: str = ""
    learned: Mapping[str, Any] = field(default_factory=dict)
    fit_s: float = 0.0
    predict_s: float = 0.0
    latency_ms: float | None = None
    size_mb: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """For a journal."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> "TrialFacts":
        """From a journal."""
        return cls(**found)


@dataclass(frozen=True)
class PastTrial:
    """A trial that ended, in this process or an earlier one."""

    started: Started
    state: TrialState
    score: float | None
    facts: TrialFacts

    @property
    def number(self) -> int:
        """From 0 over all families."""
        return self.started.number


class TrialStore(Protocol):
    """Where trials are kept, and what proposes the next values."""

    is_pruning: bool

    def recover(self) -> list[PastTrial]:
        """Trials of an earlier process."""

    def start(self, name: str, number: int, origin: str, params: Mapping[str, Any] | None) -> Started:
        """Begin a trial."""

    def waiting(self) -> str | None:
        """A family with a trial to repeat."""

    def report(self, number: int, step: int, score: float) -> bool:
        """Whether a trial may go on."""

    def end(self, number: int, state: TrialState, score: float | None, facts: TrialFacts) -> None:
        """Note how a trial ended."""


@dataclass
class _Running:
    started: Started
    since: float
    started_at: datetime


class Campaign:
    """One search's trials. Use it as a context manager: its processes end with it.

    Attributes:
        trials: Every trial that ended, by number.
    """

    def __init__(
        self,
        problem: Problem,
        families: Sequence[EstimatorFamily],
        schedule: Schedule,
        store: TrialStore,
        observer: Observer,
        folder: Path,
        deadline: float | None,
    ) -> None:
        plan = problem.plan
        self.problem, self.folder, self.observer, self.deadline = problem, folder, observer, deadline
        self.families = {family.name: family for family in families}
        self.trials: dict[int, PastTrial] = {}
        self._schedule, self._store = schedule, store
        self._began = time.monotonic()
        cores = plan.threads or usable_cores()
        default = 1 if plan.budget_s is None else min(cores, MAX_PARALLEL)
        self.parallel = plan.parallel_trials or default
        server = make_server(problem, folder, max(1, cores // self.parallel))
        self.pool = WorkerPool(server, self.parallel, plan.memory_cap_mb)
        self._running: dict[int, _Running] = {}
        self._next_number = 0
        self._ranked: list[PastTrial] | None = None
        self._shown: tuple[int, float] = (-1, 0.0)

    def __enter__(self) -> "Campaign":
        return self

    def __exit__(self, *error: object) -> None:
        self.pool.close()

    @property
    def best(self) -> PastTrial | None:
        """The best trial that may win."""
        return next(iter(self.ranked()), None)

    def may_win(self, past: PastTrial) -> bool:
        """Whether a trial has a score and keeps the plan's limits."""
        plan, facts = self.problem.plan, past.facts
        is_slow = plan.max_predict_latency_ms is not None and (
            facts.latency_ms is None or facts.latency_ms > plan.max_predict_latency_ms
        )
        is_large = plan.max_model_mb is not None and (facts.size_mb is None or facts.size_mb > plan.max_model_mb)
        is_kept = past.state is TrialState.COMPLETE and outputs_path(self.folder, past.number).exists()
        return is_kept and not is_slow and not is_large

    def configuration(self, past: PastTrial) -> Configuration:
        """What refits a trial's candidate: its values with those early stopping settled."""
        family = self.families[past.started.family]
        params = {**self._schedule.complete(family, past.started.params), **past.facts.learned}
        pinned = frozenset(self._schedule.pinned(family))
        return Configuration(family, params, pinned | frozenset(past.facts.learned))

    def run(self, should_stop: Callable[[], bool], should_pause: Callable[[], bool] = lambda: False) -> None:
        """Try configurations until the budget, the trials or the proposals run out.

        Raises:
            SearchPaused: It was to pause, and the trials in progress have ended.
        """
        self._recover()
        while not self._is_over(should_stop):
            is_pausing = should_pause()
            if not is_pausing:
                self._submit_all()
            if not self._running:
                if is_pausing:
                    raise SearchPaused(f"paused after {len(self.trials)} trials")
                break
            for event in self.pool.poll(0.5):
                self._handle(event)
            self._show_progress()
        self._abandon()

    def _recover(self) -> None:
        for past in self._store.recover():
            self.trials[past.number] = past
            self._schedule.note_origin(past.started.family, past.started.origin)
            self._note(past)
            self._next_number = past.number + 1
        if self.trials:
            self.observer.log("info", f"[Training] goes on after {len(self.trials)} earlier trials")

    def _is_over(self, should_stop: Callable[[], bool]) -> bool:
        if should_stop():
            return True
        if self.deadline is None:
            return False
        now = time.monotonic()
        if self.best is None:
            return now >= self.deadline - self._least_reserve_s()
        return now >= self.deadline - self.reserve_s()

    def _least_reserve_s(self) -> float:
        budget = self.problem.plan.budget_s or 60.0
        return min(2.0, 0.1 * budget)

    def reserve_s(self) -> float:
        """Seconds to keep for the final fit and the evaluation, by what the best trials took."""
        best = self.ranked()[:3]
        if not best:
            return self._least_reserve_s()
        costs = [self.refit_s(past) for past in best]
        refit = max(max(costs), sum(costs) / self.parallel)
        budget = self.problem.plan.budget_s or 60.0
        reserve = min(REFIT_SHARE * budget, 1.2 * refit) + self.evaluation_s(best)
        return max(self._least_reserve_s(), min(0.5 * budget, reserve))

    def ranked(self) -> list[PastTrial]:
        """Trials that may win, best first."""
        if self._ranked is None:
            sign = -1.0 if is_better(self.problem.metric, 1.0, 0.0) else 1.0
            able = [past for past in self.trials.values() if self.may_win(past)]
            self._ranked = sorted(able, key=lambda past: (sign * (past.score or 0.0), past.number))
        return self._ranked

    def refit_s(self, past: PastTrial) -> float:
        """Seconds a fit on all rows but the test rows should take."""
        n_train = sum(len(train) for train, _ in self.problem.folds) / len(self.problem.folds)
        return 1.1 * past.facts.fit_s * len(self.problem.split.development) / n_train

    def evaluation_s(self, members: Sequence[PastTrial]) -> float:
        """Seconds to predict and evaluate all splits with some members."""
        per_row = sum(past.facts.predict_s for past in members) / max(1, len(self.problem.scored))
        n_rows = min(len(self.problem.split.train), MAX_TRAIN_ROWS) + len(self.problem.split.test)
        return 0.5 + 1.3 * per_row * n_rows

    def _submit_all(self) -> None:
        limit = self.problem.plan.max_trials
        while self.pool.n_idle and (limit is None or self._next_number < limit):
            if not self._submit():
                return

    def _submit(self) -> bool:
        number = self._next_number
        repeat = self._store.waiting()
        if repeat is not None:
            started = self._store.start(repeat, number, "sampler", None)
        else:
            proposal = self._schedule.next(number, share_used=self._share_used(), remaining_s=self._remaining_s())
            if proposal is None:
                return False
            started = self._store.start(proposal.family.name, number, proposal.origin, proposal.params)
        self._next_number += 1
        self._schedule.note_origin(started.family, started.origin)
        family = self.families[started.family]
        params = self._schedule.complete(family, started.params)
        configuration = Configuration(family, params, frozenset(self._schedule.pinned(family)))
        soft, hard = self._trial_deadlines(family.name)
        ranked = self.ranked()
        bar = ranked[KEPT_MODELS - 1].score if len(ranked) >= KEPT_MODELS else None
        is_prunable = self._store.is_pruning and len(self.problem.folds) > 1
        task = TrialTask(number, configuration, soft, is_prunable, bar)
        self._running[self.pool.submit(task, hard)] = _Running(started, time.monotonic(), datetime.now(UTC))
        return True

    def _remaining_s(self) -> float | None:
        if self.deadline is None:
            return None
        reserve = self.reserve_s() if self.best else self._least_reserve_s()
        return max(0.0, self.deadline - reserve - time.monotonic())

    def _share_used(self) -> float:
        shares = [0.0]
        limit = self.problem.plan.max_trials
        if limit is not None:
            shares.append(self._next_number / limit)
        if self.deadline is not None:
            total = max(1e-9, self.deadline - self._began)
            shares.append((time.monotonic() - self._began) / total)
        return max(shares)

    def _trial_deadlines(self, family: str) -> tuple[float | None, float | None]:
        """When a trial should stop growing, and when it is killed."""
        remaining = self._remaining_s()
        if remaining is None:
            return None, None
        usual = self._schedule.usual_s(family)
        soft = min(0.8 * remaining, max(SOFT_SHARE * remaining, 2 * usual))
        hard = remaining if self.best is None else min(remaining, max(HARD_SHARE * remaining, 3 * usual))
        now = time.monotonic()
        return now + soft, now + hard

    def _handle(self, event: Event) -> None:
        if event.kind == "report":
            report: FoldReport = event.value
            self.pool.answer(event.worker, self._store.report(report.number, report.n_folds, report.score))
            return
        running = self._running.pop(event.worker)
        if event.kind == "failed":
            self._end(running, TrialState.FAILED, None, TrialFacts(message=str(event.value)))
            return
        outcome: TrialOutcome = event.value
        facts = TrialFacts(
            learned=outcome.learned,
            fit_s=outcome.fit_s,
            predict_s=outcome.predict_s,
            latency_ms=outcome.latency_ms,
            size_mb=outcome.size_mb,
        )
        state = TrialState.PRUNED if outcome.score is None else TrialState.COMPLETE
        self._end(running, state, outcome.score, facts)

    def _end(self, running: _Running, state: TrialState, score: float | None, facts: TrialFacts) -> None:
        started = running.started
        facts.duration_s = time.monotonic() - running.since
        facts.started_at = running.started_at.isoformat()
        self._store.end(started.number, state, score, facts)
        past = PastTrial(started, state, score, facts)
        self.trials[past.number] = past
        self._note(past)
        self.observer.trial(self.describe(past))
        self._log_trial(past)
        self._forget_old_models()

    def _note(self, past: PastTrial) -> None:
        self._ranked = None
        has_failed = past.state is TrialState.FAILED
        score = past.score if past.state is TrialState.COMPLETE else None
        self._schedule.note_result(past.started.family, score, past.facts.duration_s, has_failed=has_failed)

    def describe(self, past: PastTrial) -> Trial:
        """A trial as observers and results show it."""
        family = self.families[past.started.family]
        params = {**self._schedule.complete(family, past.started.params), **past.facts.learned}
        began = datetime.fromisoformat(past.facts.started_at) if past.facts.started_at else datetime.now(UTC)
        facts = past.facts
        return Trial(
            past.number,
            family.name,
            params,
            past.score,
            past.state,
            facts.duration_s,
            began,
            facts.message,
        )

    def _log_trial(self, past: PastTrial) -> None:
        lead = f"[Training] trial {past.number}: {past.started.family}"
        if past.state is TrialState.COMPLETE:
            text = f"{lead}, {self.problem.metric} {past.score:.6g} in {past.facts.duration_s:.1f} s"
            self.observer.log("info", text)
        elif past.state is TrialState.PRUNED:
            self.observer.log("debug", f"{lead} was given up: {past.facts.message or 'behind the others'}")
        else:
            self.observer.log("warning", f"{lead} failed: {past.facts.message}")

    def _show_progress(self) -> None:
        now = time.monotonic()
        if self._shown[0] == len(self.trials) and now - self._shown[1] < PROGRESS_S:
            return
        self._shown = (len(self.trials), now)
        limit = self.problem.plan.max_trials
        best = self.best
        found = "" if best is None else f", best {self.problem.metric} {best.score:.6g}"
        of = "" if limit is None else f" of {limit}"
        message = f"trial {len(self.trials)}{of}{found}"
        self.observer.phase("algorithm_search", min(1.0, self._share_used()), message)

    def _abandon(self) -> None:
        """End the trials that are under way when the search is over."""
        for worker, running in list(self._running.items()):
            self.pool.kill(worker)
            self._end(running, TrialState.PRUNED, None, TrialFacts(message="the time for trials was over"))
        self._running.clear()

    def _forget_old_models(self) -> None:
        for past in self.ranked()[KEPT_MODELS:]:
            models_path(self.folder, past.number).unlink(missing_ok=True)
