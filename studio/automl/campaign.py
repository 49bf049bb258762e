"""Running the trials: hands configurations to processes, hears their reports and stops in time."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from studio.automl.allowances import Allowances
from studio.automl.cores import usable_cores
from studio.automl.estimators import EstimatorFamily
from studio.automl.fitting import Configuration
from studio.automl.member_files import part_path
from studio.automl.problem import Problem
from studio.automl.result import Observer, Trial, TrialState
from studio.automl.schedule import Schedule
from studio.automl.tasks import FoldReport, TrialOutcome, TrialTask, make_server, models_path, outputs_path
from studio.automl.trials import PastTrial, Started, TrialFacts, TrialStore
from studio.automl.workers import TOO_LONG, Event, WorkerPool
from studio.errors import SearchPaused
from studio.evaluation.metrics import is_better

MAX_PARALLEL = 8
SOFT_SHARE = 0.3  # of the remaining time a trial may grow for
GROWING_SHARE = 0.65  # of the remaining time at most, as what has grown is still to be put away and tried
HARD_SHARE = 0.75  # of the remaining time after which it is killed
FIRST_SHARE = 0.5  # the same while nothing has succeeded and another family was not tried
HANG_SHARE = 0.3  # the same at least where time decides nothing
TIME_OVER = "the time for trials was over"
PROGRESS_S = 1.0  # between two words on the progress where no trial has ended
KEPT_MODELS = 8  # of the best trials, whose fold models stay on disk
KEPT_BAGS = 25  # of those whose fold models are their final fit


@dataclass
class _Running:
    started: Started
    since: float
    started_at: datetime


class Campaign:
    """One search's trials. Use it as a context manager: its processes end with it.

    Attributes:
        trials: Every trial that ended, by number.
        allowances: What the end of the search needs.
        cores: What all its processes may use together.
        is_paced: Whether the time that is left decides what is tried; where trials alone bound the search it does
            not, so that the same is found every time.
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
        self.cores = plan.threads or usable_cores()
        self.is_paced = deadline is not None and (plan.budget_s is not None or plan.max_trials is None)
        self.parallel = plan.parallel_trials or (min(self.cores, MAX_PARALLEL) if self.is_paced else 1)
        whole_s = None if deadline is None else deadline - self._began
        self.allowances = Allowances(
            problem, self.families, parallel=self.parallel, cores=self.cores, budget_s=plan.budget_s or whole_s
        )
        server = make_server(problem, folder, max(1, self.cores // self.parallel))
        self.pool = WorkerPool(server, self.parallel, plan.memory_cap_mb)
        self._running: dict[int, _Running] = {}
        self._next_number = 0
        self._ranked: list[PastTrial] | None = None
        self._barred: dict[int, str] = {}
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
        is_kept = past.state is TrialState.COMPLETE and outputs_path(self.folder, past.number).exists()
        name = past.started.family
        if self.families[name].is_baseline and self.problem.plan.algorithm not in ("auto", name):
            return False
        return is_kept and not self.broken_limit(past)

    def broken_limit(self, past: PastTrial) -> str:
        """Why a trial that completed cannot win, empty where it can."""
        broken = past.facts.footprint.broken_limit(self.problem.plan)
        return broken or self._barred.get(past.number, "")

    def bar(self, number: int, reason: str) -> None:
        """Let a trial win no more, as its final model is of no use."""
        self._barred[number] = reason
        self._ranked = None
        family = self.trials[number].started.family
        self.observer.log("warning", f"[Evaluation] trial {number}: {family} cannot win: {reason}")

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
        self._forget_old_models()  # of a trial that the process was killed right after
        if self.trials:
            self.observer.log("info", f"[Training] goes on after {len(self.trials)} earlier trials")

    def _is_over(self, should_stop: Callable[[], bool]) -> bool:
        if should_stop():
            return True
        if self.deadline is None:
            return False
        if self.best is None:
            return time.monotonic() >= self.deadline - self.allowances.least_s()
        return time.monotonic() >= self.deadline - self.reserve_s() - self.allowances.repeats_s(self.ranked())

    def reserve_s(self) -> float:
        """Seconds to keep for the final fits and the evaluation."""
        return self.allowances.finish_s(self.ranked())

    def is_time_for_finish(self) -> bool:
        """Whether what is left of the time is needed for final fits and evaluation."""
        return self.deadline is not None and time.monotonic() >= self.deadline - self.reserve_s()

    def repeats_end(self) -> float | None:
        """Monotonic time by which the repeats are over, None for never."""
        return None if self.deadline is None else self.deadline - self.reserve_s()

    def weighing_end(self) -> float | None:
        """Monotonic time by which weighing that begins now is over, None for never."""
        return None if self.deadline is None else time.monotonic() + self.allowances.weighing_s()

    def ranked(self) -> list[PastTrial]:
        """Trials that may win, best first."""
        if self._ranked is None:
            sign = -1.0 if is_better(self.problem.metric, 1.0, 0.0) else 1.0
            able = [past for past in self.trials.values() if self.may_win(past)]
            self._ranked = sorted(able, key=lambda past: (sign * (past.score or 0.0), past.number))
        return self._ranked

    def _submit_all(self) -> None:
        while self.pool.n_idle:
            started = self._store.resume() or self._start_next()
            if started is None:
                return
            self._submit(started)

    def _start_next(self) -> Started | None:
        """Begin the trial that the schedule wants next; None where there is none, or enough were tried."""
        number, limit = self._next_number, self.problem.plan.max_trials
        if limit is not None and number >= limit:
            return None
        remaining_s = self._remaining_s() if self.is_paced else None
        proposal = self._schedule.next(number, share_used=self._share_used(), remaining_s=remaining_s)
        if proposal is None:
            return None
        return self._store.start(proposal.family.name, number, proposal.origin, proposal.params)

    def _submit(self, started: Started) -> None:
        number = started.number
        self._next_number = max(self._next_number, number + 1)
        self._schedule.note_origin(started.family, started.origin)
        family = self.families[started.family]
        params = self._schedule.complete(family, started.params)
        configuration = Configuration(family, params, frozenset(self._schedule.pinned(family)))
        soft, hard = self._trial_deadlines(family.name)
        is_prunable = self._store.is_pruning and len(self.problem.folds) > 1
        task = TrialTask(number, configuration, soft, is_prunable, self._bar(family.name))
        self._running[self.pool.submit(task, hard)] = _Running(started, time.monotonic(), datetime.now(UTC))

    def _remaining_s(self) -> float | None:
        if self.deadline is None:
            return None
        reserve = self.reserve_s() + self.allowances.repeats_s(self.ranked())
        return max(0.0, self.deadline - reserve - time.monotonic())

    def _share_used(self) -> float:
        shares = [0.0]
        limit = self.problem.plan.max_trials
        if limit is not None:
            shares.append(self._next_number / limit)
        if self.deadline is not None and self.is_paced:
            total = max(1e-9, self.deadline - self._began)
            shares.append((time.monotonic() - self._began) / total)
        return max(shares)

    def _trial_deadlines(self, family: str) -> tuple[float | None, float | None]:
        """When a trial should stop growing, and when it is killed."""
        remaining = self._remaining_s()
        if remaining is None:
            return None, None
        now, usual = time.monotonic(), self._schedule.usual_s(family)
        if not self.is_paced:  # so much that none but one that hangs is ended
            n_left = max(1, (self.problem.plan.max_trials or 1) - self._next_number)
            hard = max(HANG_SHARE * remaining, 3 * usual, 2 * remaining / n_left)
            return now + GROWING_SHARE * remaining, now + min(remaining, hard)
        soft = min(GROWING_SHARE * remaining, max(SOFT_SHARE * remaining, 2 * usual))
        if self.best is not None:
            hard = max(HARD_SHARE * remaining, 3 * usual)
        else:
            hard = FIRST_SHARE * remaining if self._schedule.has_untried() else remaining
        return now + soft, now + min(remaining, hard)

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
            latency_ms=outcome.footprint.latency_ms,
            size_mb=outcome.footprint.size_mb,
            fold_scores=outcome.fold_scores,
        )
        state = TrialState.PRUNED if outcome.score is None else TrialState.COMPLETE
        if state is TrialState.PRUNED:
            n_done, n_folds = len(outcome.fold_scores), len(self.problem.folds)
            facts.message = f"it was behind the others after {n_done} of {n_folds} folds"
        self._end(running, state, outcome.score, facts)

    def _end(self, running: _Running, state: TrialState, score: float | None, facts: TrialFacts) -> None:
        started = running.started
        facts.duration_s = time.monotonic() - running.since
        facts.started_at = running.started_at.isoformat()
        self._store.end(started.number, state, score, facts)
        part_path(models_path(self.folder, started.number)).unlink(missing_ok=True)  # of one that was killed
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
        reason = facts.message
        if past.state is TrialState.COMPLETE and (broken := self.broken_limit(past)):
            reason = f"it cannot win: {broken}"
        return Trial(
            past.number,
            family.name,
            params,
            past.score,
            past.state,
            facts.duration_s,
            began,
            reason,
            fold_scores=tuple(facts.fold_scores),
            footprint=facts.footprint,
        )

    def _log_trial(self, past: PastTrial) -> None:
        lead = f"[Training] trial {past.number}: {past.started.family}"
        if past.state is TrialState.COMPLETE:
            text = f"{lead}, {self.problem.metric} {past.score:.6g} in {past.facts.duration_s:.1f} s"
            self.observer.log("info", text)
            if broken := self.broken_limit(past):
                self.observer.log("warning", f"{lead} cannot win: {broken}")
        elif past.state is TrialState.PRUNED:
            self.observer.log("debug", f"{lead} was given up: {past.facts.message}")
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
            self._end(running, TrialState.PRUNED, None, TrialFacts(message=TIME_OVER))
        self._running.clear()

    def has_run_out_of_time(self) -> bool:
        """Whether no trial has ended but those that time ended."""
        return all(past.facts.message in (TIME_OVER, TOO_LONG) for past in self.trials.values())

    def _bar(self, family: str) -> float | None:
        """Score from which on a trial's fold models are kept, None for any."""
        ranked, n_kept = self.ranked(), self._n_kept(family)
        own = next((rank for rank, past in enumerate(ranked) if past.started.family == family), None)
        return None if own is None or len(ranked) < n_kept else ranked[max(own, n_kept - 1)].score

    def _forget_old_models(self) -> None:
        """Keep those of the best trials, and of each family's best, which blends may want."""
        seen: set[str] = set()
        for rank, past in enumerate(self.ranked()):
            family = past.started.family
            if rank >= self._n_kept(family) and family in seen:
                models_path(self.folder, past.number).unlink(missing_ok=True)
            seen.add(family)

    def _n_kept(self, family: str) -> int:
        return KEPT_BAGS if self.allowances.is_bagged(family) else KEPT_MODELS
