"""From the trials to the final model: weigh, refit, assemble, whatever the time that is left allows."""

import contextlib
import pickle
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from studio.automl.assembly import Final, Part
from studio.automl.baseline import baseline_result, beats_baseline, has_baseline
from studio.automl.calibration import Calibration
from studio.automl.campaign import Campaign
from studio.automl.problem import column_types_of
from studio.automl.result import Footprint, SearchResult, Trial, TrialState
from studio.automl.shap_importance import explain_final
from studio.automl.tasks import AssembleTask, RefitTask, final_path, models_path, outputs_path, refit_path
from studio.automl.trials import PastTrial
from studio.automl.weighing import (
    calibrate_blend,
    choose_members,
    draws_of,
    fit_into_time,
    is_bagged,
    mix,
    refittable,
    rescale,
    unseen_outputs,
)
from studio.automl.workers import TOO_LONG
from studio.errors import NoSuccessfulTrial

LEAST_FOR_INTERVALS_S = 2.0
HASTY_S = 2.0  # of grace for the evaluation of what is left to take
NO_BETTER = "no model is better than one that learns nothing from the features"
GRACE_S = 0.02  # share of the budget the assembly may overrun before it is killed


class _Unusable(Exception):
    """The model breaks a limit, or cannot be evaluated; the message says why."""


class _OutOfTime(Exception):
    """The time that is left is too short for what was found; the message says what for."""


def finish(campaign: Campaign, seconds: dict[str, float]) -> SearchResult:
    """Choose, refit and evaluate the winner.

    Args:
        seconds: Of the phases before.

    Raises:
        NoSuccessfulTrial: No trial may win, or the winner could not be put together.
    """
    campaign.observer.phase("evaluation", 0.0, "fitting the best candidates on all rows")
    while campaign.best is not None:
        weights, score = choose_members(campaign)
        if not _is_of_use(campaign, weights):
            return _fall_back(campaign, seconds, NO_BETTER)
        try:
            return _finish_with(campaign, weights, score, seconds)
        except _OutOfTime as error:
            return _finish_in_haste(campaign, seconds, str(error))
        except _Unusable:
            continue  # the candidate that was left of the blend is barred
    return _answer_without_trials(campaign, seconds)


def _finish_in_haste(campaign: Campaign, seconds: dict[str, float], reason: str) -> SearchResult:
    """The best candidate's fold models as they are, or the baseline where they cannot be evaluated in time either."""
    kept = (past for past in campaign.ranked() if models_path(campaign.folder, past.number).exists())
    past = next(kept, None)
    if past is not None:
        campaign.observer.log(
            "warning", f"[Evaluation] {reason}; the best candidate's fold models are taken as they are"
        )
        with contextlib.suppress(_OutOfTime, _Unusable):
            return _finish_with(campaign, {past.number: 1.0}, past.score or 0.0, seconds, is_hasty=True)
    return _fall_back(campaign, seconds, reason)


def _finish_with(
    campaign: Campaign, weights: dict[int, float], score: float, seconds: dict[str, float], *, is_hasty: bool = False
) -> SearchResult:
    """Fit and evaluate a blend, without the members that it breaks a limit with or cannot be evaluated for.

    Args:
        is_hasty: Fit nothing anew, and let the evaluation alone overrun the time a little.

    Raises:
        _OutOfTime: There is no time for that.
        _Unusable: Not one candidate was left; the last is barred.
    """
    started = time.monotonic()
    problem = campaign.problem
    fold_models = {number: (models_path(campaign.folder, number),) for number in weights}
    if not is_hasty:
        weights, score = fit_into_time(campaign, weights, score)
    usable = fold_models if is_hasty else _refit(campaign, weights)
    if set(usable) != set(weights):
        weights, score = rescale(campaign, weights, usable)
    weights, score, final, footprint = _assemble_what_holds(campaign, weights, score, usable, is_hasty=is_hasty)
    winner, trials = _describe(campaign, weights, score, footprint)
    _log_result(campaign, winner, final, weights)
    shap = explain_final(campaign)
    seconds["evaluation"] = time.monotonic() - started
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
        shap=shap,
    )


def _assemble_what_holds(
    campaign: Campaign,
    weights: dict[int, float],
    score: float,
    usable: Mapping[int, tuple[Path, ...]],
    *,
    is_hasty: bool,
) -> tuple[dict[int, float], float, Final, Footprint]:
    """The blend that keeps the limits and can be evaluated, with its weights and score. Raises as ``_finish_with``."""
    while True:
        _log_blend(campaign, weights)
        campaign.observer.phase("evaluation", 0.6, "evaluating the model")
        calibration, calibrated = calibrate_blend(campaign, weights, score)
        try:
            final, footprint = _assemble(campaign, weights, usable, calibration, HASTY_S if is_hasty else 0.0)
        except _Unusable as error:
            weights, score = _drop_lightest(campaign, weights, str(error))
        else:
            return weights, calibrated, final, footprint


def _drop_lightest(campaign: Campaign, weights: Mapping[int, float], reason: str) -> tuple[dict[int, float], float]:
    """The blend without the member of least weight, and its score.

    Raises:
        _Unusable: It was the only one; it is barred.
    """
    lightest = min(weights, key=lambda number: (weights[number], -number))
    if len(weights) == 1:
        campaign.bar(lightest, reason)
        raise _Unusable(reason)
    family = campaign.trials[lightest].started.family
    text = f"[Evaluation] the ensemble is tried without {family} (trial {lightest}): {reason}"
    campaign.observer.log("warning", text)
    return rescale(campaign, weights, [number for number in weights if number != lightest])


def _is_of_use(campaign: Campaign, weights: Mapping[int, float]) -> bool:
    """Whether what was chosen should not give way to the baseline; an algorithm that was asked for never does."""
    outputs = {number: unseen_outputs(campaign, number, n_draws=0) for number in weights}  # folds as the baseline's
    if beats_baseline(campaign.problem, mix(outputs, weights)):
        return True
    if campaign.problem.plan.algorithm == "auto":
        return False
    campaign.observer.log("warning", f"[Evaluation] {NO_BETTER}")
    return True


def _answer_without_trials(campaign: Campaign, seconds: dict[str, float]) -> SearchResult:
    """The baseline where time or the table is to blame.

    Raises:
        NoSuccessfulTrial: Trials failed, or keep no limits.
    """
    if not campaign.has_run_out_of_time() or not has_baseline(campaign.problem):
        raise _no_successful_trial(campaign)
    is_hopeless = campaign.problem.is_hopeless and not campaign.trials
    reason = "no feature tells rows apart" if is_hopeless else "the time was over before a model had been fitted"
    return _fall_back(campaign, seconds, reason)


def _fall_back(campaign: Campaign, seconds: dict[str, float], reason: str) -> SearchResult:
    """The baseline, and why."""
    campaign.observer.log("warning", f"[Evaluation] {reason}; the version is the baseline, which learns nothing else")
    trials = tuple(campaign.describe(past) for _, past in sorted(campaign.trials.items()))
    is_late = campaign.deadline is not None and time.monotonic() > campaign.deadline - LEAST_FOR_INTERVALS_S
    peak_mb = campaign.pool.peak_bytes / 2**20
    return baseline_result(campaign.problem, trials, seconds, peak_mb, has_intervals=not is_late)


def _no_successful_trial(campaign: Campaign) -> NoSuccessfulTrial:
    trials = list(campaign.trials.values())
    broken = [found for past in trials if past.state is TrialState.COMPLETE and (found := campaign.broken_limit(past))]
    if broken:
        plan = campaign.problem.plan
        has_limits = plan.max_predict_latency_ms is not None or plan.max_model_mb is not None
        limits = " keeps the limits on prediction latency and model size"
        return NoSuccessfulTrial(f"No candidate{limits if has_limits else ' is usable'}; the last: {broken[-1]}.")
    messages = [past.facts.message for past in trials if past.state is TrialState.FAILED]
    reason = messages[-1] if messages else "the time was over before one had finished"
    return NoSuccessfulTrial(f"None of {len(trials)} trials succeeded; the last error: {reason}.")


def _refit(campaign: Campaign, weights: Mapping[int, float]) -> dict[int, tuple[Path, ...]]:
    """Fit the members on all rows but the test rows; bags and what a process before this one has fitted are there
    already, and where a fit fails fold models, if kept, take its place.

    Returns:
        Files of each member that can be used. Never empty.
    """
    members = [campaign.trials[number] for number in weights]
    until = None
    if campaign.deadline is not None:
        until = campaign.deadline - campaign.allowances.evaluation_s(members)
    wanted = (number for number in refittable(campaign, weights) if not refit_path(campaign.folder, number).exists())
    chosen = [campaign.trials[number] for number in wanted]
    waiting = sorted(chosen, key=campaign.allowances.refit_s, reverse=True)
    running: dict[int, PastTrial] = {}
    threads = max(1, campaign.cores // max(1, min(campaign.parallel, len(waiting))))
    while waiting or running:
        while waiting and campaign.pool.n_idle:
            past = waiting.pop(0)
            task = RefitTask(past.number, campaign.configuration(past), threads)
            running[campaign.pool.submit(task, until)] = past
        for event in campaign.pool.poll(1.0):
            past = running.pop(event.worker)
            if event.kind == "failed":
                text = f"[Training] the final fit of trial {past.number} failed: {event.value}"
                campaign.observer.log("warning", text)
    n_draws = campaign.allowances.draws_in_blend(sum(is_bagged(campaign, number) for number in weights))
    usable = {number: files for number in weights if (files := _files_of(campaign, number, n_draws))}
    if not usable:
        kept = (past.number for past in campaign.ranked() if models_path(campaign.folder, past.number).exists())
        number = next(kept, None)
        if number is None:
            raise _OutOfTime("the time was over before a candidate had been fitted on all rows")
        usable[number] = (models_path(campaign.folder, number),)
    return usable


def _files_of(campaign: Campaign, number: int, n_draws: int) -> tuple[Path, ...]:
    """The final fit, or the fold models of so many draws of the folds; empty where there is neither."""
    refitted = refit_path(campaign.folder, number)
    if refitted.exists():
        return (refitted,)
    bags = (models_path(campaign.folder, number, draw) for draw in range(n_draws))
    return tuple(path for path in bags if path.exists())


def _assemble(
    campaign: Campaign,
    weights: Mapping[int, float],
    usable: Mapping[int, tuple[Path, ...]],
    calibration: Calibration,
    grace_s: float,
) -> tuple[Final, Footprint]:
    """Have the blend put together, measured and evaluated.

    Raises:
        _OutOfTime: It did not end in time.
        _Unusable: It breaks a limit, or its process failed.
    """
    parts = [
        Part(
            campaign.trials[number].started.family,
            weight,
            usable[number],
            tuple(outputs_path(campaign.folder, number, draw) for draw in range(draws_of(campaign, number) + 1)),
        )
        for number, weight in weights.items()
    ]
    hard = None
    if campaign.deadline is not None:
        budget = campaign.problem.plan.budget_s or 60.0
        hard = max(campaign.deadline, time.monotonic()) + max(GRACE_S * budget, grace_s)
    campaign.pool.close()  # what its processes hold is not needed any more, and a blend of forests is large
    soft = None if campaign.deadline is None else campaign.deadline - 0.5
    worker = campaign.pool.submit(AssembleTask(parts, calibration, soft, campaign.cores), hard)
    while True:
        for event in campaign.pool.poll(1.0):
            if event.worker == worker and event.kind == "done":
                campaign.pool.close()
                footprint: Footprint = event.value
                if broken := footprint.broken_limit(campaign.problem.plan):
                    raise _Unusable(broken)
                with open(final_path(campaign.folder), "rb") as file:
                    final: Final = pickle.load(file)  # noqa: S301 - written by this search a moment ago
                return final, footprint
            if event.worker == worker and event.value == TOO_LONG and has_baseline(campaign.problem):
                raise _OutOfTime("the time was over before the model had been evaluated")
            if event.worker == worker:
                raise _Unusable(f"it could not be evaluated: {event.value}")


def _describe(
    campaign: Campaign, weights: Mapping[int, float], score: float, footprint: Footprint
) -> tuple[Trial, tuple[Trial, ...]]:
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
        for number, weight in _heaviest_first(weights)
    ]
    last = trials[-1]
    ensemble = Trial(
        last.number + 1, "ensemble", {"members": members}, score, TrialState.COMPLETE, 0.0, last.started_at,
        footprint=footprint,
    )  # fmt: skip
    return ensemble, (*trials, ensemble)


def _heaviest_first(weights: Mapping[int, float]) -> list[tuple[int, float]]:
    return sorted(weights.items(), key=lambda item: -item[1])


def _members(campaign: Campaign, weights: Mapping[int, float]) -> list[dict[str, Any]]:
    """Who is in an ensemble, for programs; the heaviest first."""
    return [
        {"trial": number, "algorithm": campaign.trials[number].started.family, "weight": round(weight, 6)}
        for number, weight in _heaviest_first(weights)
    ]


def _log_blend(campaign: Campaign, weights: Mapping[int, float]) -> None:
    """Who is in with what weight, and how many are not."""
    if len(weights) == 1:
        return
    families = {number: campaign.trials[number].started.family for number in weights}
    named = [f"{weight:.2f} {families[number]} (trial {number})" for number, weight in _heaviest_first(weights)]
    n_left = len(campaign.ranked()) - len(weights)
    text = f"[Training] the ensemble: {', '.join(named)}; {n_left} other candidates add too little to these"
    campaign.observer.log("info", text, ensemble=_members(campaign, weights))


def _log_result(campaign: Campaign, winner: Trial, final: Final, weights: Mapping[int, float]) -> None:
    metric = campaign.problem.metric
    test = final.metrics["test"].get(metric)
    shown = "undefined" if test is None else f"{test:.6g}"
    text = f"[Evaluation] {winner.algorithm} wins; {metric} on the test rows: {shown}"
    campaign.observer.log("info", text, ensemble=_members(campaign, weights))
