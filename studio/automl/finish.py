"""From the trials to the final model: weigh, refit, assemble, whatever the time that is left allows."""

import pickle
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from studio.automl.assembly import Final, Part
from studio.automl.campaign import Campaign, PastTrial
from studio.automl.ensemble import weigh_candidates
from studio.automl.problem import column_types_of
from studio.automl.result import SearchResult, Trial, TrialState
from studio.automl.tasks import AssembleTask, RefitTask, final_path, models_path, outputs_path, refit_path
from studio.errors import NoSuccessfulTrial
from studio.evaluation.metrics import is_better

FloatArray = npt.NDArray[np.float64]

MAX_CANDIDATES = 25
MAX_WEIGHING_ROWS = 20_000
GRACE_S = 0.02  # share of the budget the assembly may overrun before it is killed


def finish(campaign: Campaign, seconds: dict[str, float]) -> SearchResult:
    """Choose, refit and evaluate the winner.

    Args:
        seconds: Of the phases before.

    Raises:
        NoSuccessfulTrial: No trial may win, or the winner could not be put together.
    """
    started = time.monotonic()
    observer, problem = campaign.observer, campaign.problem
    best = campaign.best
    if best is None:
        raise _no_successful_trial(campaign)
    observer.phase("evaluation", 0.0, "fitting the best candidates on all rows")
    candidates = campaign.ranked()[:MAX_CANDIDATES]
    weights, score = _choose(campaign, candidates)
    usable = _refit(campaign, weights)
    if set(usable) != set(weights):
        weights, score = _rescale(campaign, weights, usable)
    observer.phase("evaluation", 0.6, "evaluating the model")
    final = _assemble(campaign, weights, usable)
    seconds["evaluation"] = time.monotonic() - started
    winner, trials = _describe(campaign, weights, score)
    _log_result(campaign, winner, final)
    return SearchResult(
        estimator=final.estimator,
        algorithm=winner.algorithm,
        hyperparameters=winner.params,
        metric=problem.metric,
        score=score,
        candidates=trials,
        feature_columns=problem.features,
        column_types=column_types_of(problem),
        labels=problem.labels,
        positive_label=problem.positive_label,
        splits=final.splits,
        metrics=final.metrics,
        intervals=final.intervals,
        importances=final.importances,
        rows_used=problem.n_split,
        optional_columns=problem.optional_columns,
        stage_seconds=seconds,
        peak_memory_mb=campaign.pool.peak_bytes / 2**20,
    )


def _no_successful_trial(campaign: Campaign) -> NoSuccessfulTrial:
    trials = list(campaign.trials.values())
    if any(past.state is TrialState.COMPLETE for past in trials):
        return NoSuccessfulTrial("No candidate keeps the limits on prediction latency and model size.")
    messages = [past.facts.message for past in trials if past.state is TrialState.FAILED]
    reason = messages[-1] if messages else "the time was over before one had finished"
    return NoSuccessfulTrial(f"None of {len(trials)} trials succeeded; the last error: {reason}.")


def _choose(campaign: Campaign, candidates: Sequence[PastTrial]) -> tuple[dict[int, float], float]:
    """Weights of the candidates whose refit fits into the time that is left, and the score of their blend."""
    pool = list(candidates)
    weigh_until = None
    if campaign.deadline is not None:
        weigh_until = time.monotonic() + 0.1 * max(0.0, campaign.deadline - time.monotonic())
    while True:
        weights, score = _weigh(campaign, pool, weigh_until)
        members = [campaign.trials[number] for number in weights]
        if campaign.deadline is None or len(members) == 1:
            return weights, score
        lost = {past.number for past in members} - set(_refittable(campaign, weights)) - _kept(campaign)
        if not lost:
            return weights, score
        pool = [past for past in pool if past.number not in lost]


def _kept(campaign: Campaign) -> set[int]:
    """Trials whose fold models can stand in for a final fit."""
    return {number for number in campaign.trials if models_path(campaign.folder, number).exists()}


def _refittable(campaign: Campaign, weights: Mapping[int, float]) -> list[int]:
    """Members that can be fitted on all rows in the time that is left, the weightiest first."""
    members = sorted(weights, key=lambda number: -weights[number])
    if campaign.deadline is None:
        return members
    evaluation = campaign.evaluation_s([campaign.trials[number] for number in members])
    left = (campaign.deadline - time.monotonic() - evaluation) * campaign.parallel
    chosen: list[int] = []
    for number in members:
        cost = 1.2 * campaign.refit_s(campaign.trials[number])
        if cost <= left and cost <= left / campaign.parallel * 2:
            chosen.append(number)
            left -= cost
    return chosen


def _weigh(campaign: Campaign, candidates: Sequence[PastTrial], until: float | None) -> tuple[dict[int, float], float]:
    """The best single candidate, or a blend where that scores better."""
    problem, single = campaign.problem, candidates[0]
    alone = {single.number: 1.0}, float(single.score or 0.0)
    if not problem.plan.ensemble or len(candidates) == 1:
        return alone
    rows = np.arange(len(problem.scored))
    if len(rows) > MAX_WEIGHING_ROWS:
        rng = np.random.default_rng(problem.plan.validation.random_state)
        rows = np.sort(rng.choice(rows, MAX_WEIGHING_ROWS, replace=False))
    outputs = {past.number: _outputs(campaign, past.number) for past in candidates}
    weights, _ = weigh_candidates(
        {number: values[rows] for number, values in outputs.items()},
        lambda blend: problem.score(blend, problem.scored[rows]),
        problem.metric,
        until=until,
    )
    blend: FloatArray = np.sum([weight * outputs[number] for number, weight in weights.items()], axis=0)
    score = problem.score(blend, problem.scored)
    if score is None or not is_better(problem.metric, score, single.score):
        return alone
    return weights, score


def _outputs(campaign: Campaign, number: int) -> FloatArray:
    loaded: FloatArray = np.load(outputs_path(campaign.folder, number))
    return loaded


def _refit(campaign: Campaign, weights: Mapping[int, float]) -> dict[int, Any]:
    """Fit the members on all rows but the test rows; one that fails is replaced by its fold models, if kept.

    Returns:
        File of each member that can be used. Never empty.
    """
    members = [campaign.trials[number] for number in weights]
    until = None
    if campaign.deadline is not None:
        until = campaign.deadline - campaign.evaluation_s(members)
    chosen = [campaign.trials[number] for number in _refittable(campaign, weights)]
    waiting = sorted(chosen, key=campaign.refit_s, reverse=True)
    running: dict[int, PastTrial] = {}
    while waiting or running:
        while waiting and campaign.pool.n_idle:
            past = waiting.pop(0)
            task = RefitTask(past.number, campaign.configuration(past))
            running[campaign.pool.submit(task, until)] = past
        for event in campaign.pool.poll(1.0):
            past = running.pop(event.worker)
            if event.kind == "failed":
                text = f"[Training] the final fit of trial {past.number} failed: {event.value}"
                campaign.observer.log("warning", text)
    usable = {number: path for number in weights if (path := _file_of(campaign, number)) is not None}
    if not usable:
        kept = (past.number for past in campaign.ranked() if models_path(campaign.folder, past.number).exists())
        number = next(kept, None)
        if number is None:
            raise NoSuccessfulTrial("No candidate could be fitted on all rows in the time that was left.")
        usable[number] = models_path(campaign.folder, number)
    return usable


def _file_of(campaign: Campaign, number: int) -> Any:
    paths = (refit_path(campaign.folder, number), models_path(campaign.folder, number))
    return next((path for path in paths if path.exists()), None)


def _rescale(
    campaign: Campaign, weights: Mapping[int, float], usable: Mapping[int, Any]
) -> tuple[dict[int, float], float]:
    """The weights of the members that can be used, scaled to 1, and the score of their blend."""
    left = {number: weights.get(number, 1.0) for number in usable}
    left = {number: weight / sum(left.values()) for number, weight in left.items()}
    blend: FloatArray = np.sum([w * _outputs(campaign, number) for number, w in left.items()], axis=0)
    score = campaign.problem.score(blend, campaign.problem.scored)
    return left, float("nan") if score is None else score


def _assemble(campaign: Campaign, weights: Mapping[int, float], usable: Mapping[int, Any]) -> Final:
    parts = [
        Part(
            campaign.trials[number].started.family,
            weight,
            usable[number],
            outputs_path(campaign.folder, number),
        )
        for number, weight in weights.items()
    ]
    hard = None
    if campaign.deadline is not None:
        budget = campaign.problem.plan.budget_s or 60.0
        hard = max(campaign.deadline + GRACE_S * budget, time.monotonic() + GRACE_S * budget)
    worker = campaign.pool.submit(AssembleTask(parts, campaign.deadline and campaign.deadline - 0.5), hard)
    while True:
        for event in campaign.pool.poll(1.0):
            if event.worker == worker and event.kind == "done":
                with open(final_path(campaign.folder), "rb") as file:
                    final: Final = pickle.load(file)  # noqa: S301 - written by this search a moment ago
                return final
            if event.worker == worker:
                raise NoSuccessfulTrial(f"The final model could not be evaluated: {event.value}.")


def _describe(campaign: Campaign, weights: Mapping[int, float], score: float) -> tuple[Trial, tuple[Trial, ...]]:
    """The winner, and every candidate with the ensemble last."""
    trials = [campaign.describe(past) for _, past in sorted(campaign.trials.items())]
    by_number = {trial.number: trial for trial in trials}
    if len(weights) == 1:
        return by_number[next(iter(weights))], tuple(trials)
    members = [
        {
            "algorithm": by_number[number].algorithm,
            "weight": weight,
            "hyperparameters": dict(by_number[number].params),
        }
        for number, weight in sorted(weights.items(), key=lambda item: -item[1])
    ]
    last = trials[-1]
    ensemble = Trial(
        last.number + 1, "ensemble", {"members": members}, score, TrialState.COMPLETE, 0.0, last.started_at
    )
    return ensemble, (*trials, ensemble)


def _log_result(campaign: Campaign, winner: Trial, final: Final) -> None:
    metric = campaign.problem.metric
    test = final.metrics["test"].get(metric)
    shown = "undefined" if test is None else f"{test:.6g}"
    campaign.observer.log("info", f"[Evaluation] {winner.algorithm} wins; {metric} on the test rows: {shown}")
