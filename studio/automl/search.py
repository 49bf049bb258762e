"""``search``, the way in, and the one file that talks to Optuna: samplers, pruners, the journal."""

import importlib.util
import json
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from studio.automl.campaign import Campaign
from studio.automl.estimators import check_hyperparameters, find_families
from studio.automl.finish import finish
from studio.automl.plan import Plan
from studio.automl.preparation import prepare
from studio.automl.problem import Problem
from studio.automl.repeats import repeat_leaders
from studio.automl.result import Observer, SearchResult, TrialState
from studio.automl.schedule import Schedule
from studio.automl.spaces import FloatRange, IntRange, Range, Space
from studio.automl.targets import fit_options
from studio.automl.trials import PastTrial, Started, TrialFacts
from studio.evaluation.metrics import direction_of

SAMPLER_STARTS = 5  # trials of a family before the sampler models it; its portfolio counts


def search(
    frame: pd.DataFrame,
    plan: Plan,
    *,
    observer: Observer,
    work_folder: Path,
    deadline: float | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    should_pause: Callable[[], bool] = lambda: False,
) -> SearchResult:
    """Find, fit and evaluate the best model for a table within the plan's budget.

    Called again with the same table, plan and folder, it goes on with the trials that had finished; those
    that were under way are tried once more. Where trials alone bound it, one at a time, it finds the same as one
    that was never cut off. All fits run in child processes: call it from a thread that has not itself run native
    code on several cores.

    Args:
        frame: The table; every row counts, those without a target are left out.
        observer: Hears of the progress; what it raises ends the search and is raised here.
        work_folder: An existing folder for this search alone.
        deadline: Monotonic time (``time.monotonic``) by which all must be over; None counts ``plan.budget_s``
            from now. Without a budget it is a last resort that chooses nothing until it is near.
        should_stop: Asked several times a second; once true, the search ends with the best so far.
        should_pause: Likewise; once true, no trial begins any more. Where the budget is over before those in
            progress have ended, the search is finished instead.

    Raises:
        InvalidInput: The plan or the table cannot be trained on.
        NoSuccessfulTrial: Every candidate failed; the message carries the last error.
        SearchPaused: It was to pause; a later call goes on with the next trial.
    """
    started = time.monotonic()
    if deadline is None and plan.budget_s is not None:
        deadline = started + plan.budget_s
    observer.phase("data_validation", 0.0, "checking the table")
    families = find_families(plan.algorithm, plan.task)
    check_hyperparameters(plan.algorithm, plan.hyperparameters, plan.task)
    checked = time.monotonic()
    observer.phase("preprocessing", 0.0, "reading the columns")
    problem = prepare(frame, plan)
    plan = problem.plan  # a task may be searched as another one
    _log_problem(problem, observer)
    read = time.monotonic()
    options, is_small = fit_options(plan.task, problem.y), len(problem.folds) > 1
    schedule = Schedule(families, plan, problem.metric, options, is_small=is_small)
    spaces = {family.name: schedule.space(family) for family in families}
    studies = Studies(work_folder / "journal.log", plan, problem, spaces, observer)
    with Campaign(problem, families, schedule, studies, observer, work_folder, deadline) as campaign:
        if not problem.is_hopeless or plan.algorithm != "auto":  # else the baseline is as good as any
            campaign.run(should_stop, should_pause)
            repeat_leaders(campaign, should_stop, should_pause)
        searched = time.monotonic()
        seconds = {"data_validation": checked - started, "preprocessing": read - checked}
        seconds["algorithm_search"] = searched - read
        return finish(campaign, seconds)


def _log_problem(problem: Problem, observer: Observer) -> None:
    split = problem.split
    for level, note in problem.notes:
        observer.log(level, f"[Validation] {note}")
    observer.log(
        "info",
        f"[Preprocessing] {problem.n_used} rows, {len(problem.features)} columns: {len(split.train)} train, "
        f"{len(split.validation)} validate, {len(split.test)} test",
    )
    wanted = problem.plan.metric
    if wanted is not None and wanted != problem.metric:
        observer.log(
            "warning",
            f"[Training] {wanted} is not defined on these validation rows; {problem.metric} is used instead",
        )
    how = "one holdout" if len(problem.folds) == 1 else f"{len(problem.folds)} folds"
    observer.log("info", f"[Training] candidates are compared by {problem.metric} on {how}")


class Studies:
    """One Optuna study per family in one journal, so that every sampler sees a flat space."""

    def __init__(
        self, journal: Path, plan: Plan, problem: Problem, spaces: Mapping[str, Space], observer: Observer
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        storage = JournalStorage(_JournalFile(journal))
        goal = "maximize" if direction_of(problem.metric) == "max" else "minimize"
        pruner = _make_pruner(plan, len(problem.folds))
        self.is_pruning = plan.pruner != "none"
        self._seed = plan.validation.random_state
        self._sampler = _choose_sampler(plan, observer)
        self._places = {name: index for index, name in enumerate(spaces)}
        self._distributions = {
            name: {key: _distribution(value) for key, value in space.items()} for name, space in spaces.items()
        }
        self._studies = {
            name: optuna.create_study(
                study_name=name,
                storage=storage,
                direction=goal,
                sampler=self._make_sampler(name, 0),
                pruner=pruner,
                load_if_exists=True,
            )
            for name in spaces
        }
        self._trials: dict[int, tuple[str, optuna.Trial]] = {}
        self._cut_off: list[tuple[Started, optuna.Trial]] = []
        self._reported: dict[int, int] = {}

    def recover(self) -> list[PastTrial]:
        """Trials of an earlier process that ended, by number; those cut off wait to be tried once more."""
        ended: list[PastTrial] = []
        for name, study in self._studies.items():
            for trial in study.get_trials(deepcopy=False):
                is_running, is_known = trial.state is OptunaState.RUNNING, "number" in trial.user_attrs
                if is_running and is_known and not trial.user_attrs.get("was_cut_off"):
                    started = _started(name, trial)
                    self._reported[started.number] = len(trial.intermediate_values)
                    self._cut_off.append((started, optuna.Trial(study, trial._trial_id)))
                    continue
                if is_running:
                    study.tell(trial.number, state=OptunaState.FAIL)
                if is_known:
                    ended.append(_past_trial(name, trial))
        self._cut_off.sort(key=lambda pair: pair[0].number)
        return sorted(ended, key=lambda past: past.number)

    def resume(self) -> Started | None:
        """Begin the next trial that was cut off anew, under its own number."""
        if not self._cut_off:
            return None
        started, trial = self._cut_off.pop(0)
        trial.set_user_attr("was_cut_off", True)
        self._trials[started.number] = (started.family, trial)
        return started

    def start(self, name: str, number: int, origin: str, params: Mapping[str, Any] | None) -> Started:
        """Begin a trial with the given values, or with the sampler's."""
        study = self._studies[name]
        study.sampler = self._make_sampler(name, number)  # draws the same whatever was drawn before a restart
        waiting = study.get_trials(deepcopy=False, states=(OptunaState.WAITING,))  # cut off before it began
        if params is not None and not waiting:
            study.enqueue_trial(dict(params), user_attrs={"origin": origin})
        trial = study.ask(self._distributions[name])
        trial.set_user_attr("number", number)
        self._trials[number] = (name, trial)
        return Started(number, name, trial.user_attrs.get("origin", origin), dict(trial.params))

    def report(self, number: int, step: int, score: float) -> bool:
        """Note the score of a trial's first folds; false where it should be given up."""
        trial = self._trials[number][1]
        if step > self._reported.get(number, 0):  # else it was known before the trial was cut off
            trial.report(score, step)
        return not trial.should_prune()

    def end(self, number: int, state: TrialState, score: float | None, facts: TrialFacts) -> None:
        """Note how a trial ended."""
        name, trial = self._trials.pop(number)
        trial.set_user_attr("facts", facts.as_dict())
        states = {TrialState.COMPLETE: OptunaState.COMPLETE, TrialState.PRUNED: OptunaState.PRUNED}
        self._studies[name].tell(trial, score, state=states.get(state, OptunaState.FAIL))

    def _make_sampler(self, name: str, number: int) -> optuna.samplers.BaseSampler:
        key = [self._seed, self._places[name], number]
        return _make_sampler(self._sampler, int(np.random.SeedSequence(key).generate_state(1)[0]))


def _started(name: str, trial: FrozenTrial) -> Started:
    return Started(trial.user_attrs["number"], name, trial.user_attrs.get("origin", "sampler"), trial.params)


def _past_trial(name: str, trial: FrozenTrial) -> PastTrial:
    states = {OptunaState.COMPLETE: TrialState.COMPLETE, OptunaState.PRUNED: TrialState.PRUNED}
    found = states.get(trial.state, TrialState.FAILED)
    facts = TrialFacts.from_dict(trial.user_attrs.get("facts", {"message": "its run was cut off in it twice"}))
    return PastTrial(_started(name, trial), found, trial.value if found is TrialState.COMPLETE else None, facts)


def _distribution(wanted: Range) -> BaseDistribution:
    if isinstance(wanted, IntRange):
        return IntDistribution(wanted.low, wanted.high, log=wanted.log)
    if isinstance(wanted, FloatRange):
        return FloatDistribution(wanted.low, wanted.high, log=wanted.log)
    return CategoricalDistribution(wanted.options)


def _choose_sampler(plan: Plan, observer: Observer) -> str:
    """The plan's sampler, or TPE where a package it needs is not there."""
    needed = {"cmaes": "cmaes", "gp": "torch"}.get(plan.sampler)
    if needed is None or importlib.util.find_spec(needed) is not None:
        return plan.sampler
    observer.log(
        "warning", f"[Training] the sampler {plan.sampler} needs {needed}, which is not installed; tpe is used"
    )
    return "tpe"


def _make_sampler(kind: str, seed: int) -> optuna.samplers.BaseSampler:
    if kind == "cmaes":
        return optuna.samplers.CmaEsSampler(seed=seed, n_startup_trials=1, warn_independent_sampling=False)
    if kind == "gp":
        return optuna.samplers.GPSampler(seed=seed, n_startup_trials=SAMPLER_STARTS)
    if kind == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=SAMPLER_STARTS, multivariate=True)


def _make_pruner(plan: Plan, n_folds: int) -> optuna.pruners.BasePruner:
    if plan.pruner == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=SAMPLER_STARTS, n_warmup_steps=0)
    if plan.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=max(n_folds, 1), reduction_factor=3)
    return optuna.pruners.NopPruner()


class _JournalFile(BaseJournalBackend):  # type: ignore[misc]
    """Optuna's journal with one writer: no lock, and no fsync, as a lost last trial is only tried again."""

    def __init__(self, path: Path) -> None:
        self._logs: list[dict[str, Any]] = []
        whole = b""
        if path.exists():
            content = path.read_bytes()
            whole = content[: content.rfind(b"\n") + 1]  # a process that was killed may leave half a line
            self._logs = [json.loads(line) for line in whole.splitlines()]
        with open(path, "ab") as file:
            file.truncate(len(whole))
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 - open as long as the search

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        """Entries from a number on."""
        return self._logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write entries at the end."""
        lines = [json.dumps(log, separators=(",", ":")) for log in logs]
        self._file.write(("\n".join(lines) + "\n").encode())
        self._logs += [json.loads(line) for line in lines]
