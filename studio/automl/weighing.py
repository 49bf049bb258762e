"""Which candidates make the final model, and with what weight."""

import time
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from studio.automl.allowances import MAX_MEMBERS
from studio.automl.calibration import Calibration, calibrate
from studio.automl.campaign import Campaign
from studio.automl.ensemble import blend_candidates
from studio.automl.tasks import models_path, outputs_path
from studio.automl.trials import PastTrial
from studio.evaluation.metrics import is_better

FloatArray = npt.NDArray[np.float64]

MAX_CANDIDATES = 25
MAX_WEIGHING_ROWS = 20_000


def choose_members(campaign: Campaign) -> tuple[dict[int, float], float]:
    """Weights of the candidates whose final fit fits into the time that is left, and the score of their blend.

    Of the bagged ones those alone compete that were repeated on other folds, if any were: the others' scores may be
    luck.
    """
    pool = campaign.ranked()
    repeated = {past.number for past in pool if draws_of(campaign, past.number)}
    if repeated:
        pool = [past for past in pool if past.number in repeated or not is_bagged(campaign, past.number)]
    pool = pool[:MAX_CANDIDATES]
    while True:
        weights, score = weigh(campaign, pool, campaign.weighing_end())
        if campaign.deadline is None or len(weights) == 1:
            return weights, score
        lost = set(weights) - set(refittable(campaign, weights)) - _kept(campaign, weights)
        if not lost:
            return weights, score
        pool = [past for past in pool if past.number not in lost]


def weigh(
    campaign: Campaign, candidates: Sequence[PastTrial], until: float | None, n_draws: int | None = None
) -> tuple[dict[int, float], float]:
    """The best single candidate, or a blend where that is better on rows it was not weighed by.

    Args:
        candidates: At least one.
        until: Monotonic time at which to end with what there is; None for never.
        n_draws: How many repeats of the folds count; None for all.
    """
    problem = campaign.problem
    outputs = {past.number: unseen_outputs(campaign, past.number, n_draws) for past in candidates}
    scores = {number: problem.score(found, problem.scored) for number, found in outputs.items()}
    single = candidates[0].number
    for number, score in scores.items():
        single = number if is_better(problem.metric, score, scores[single]) else single
    alone = {single: 1.0}, _number(scores[single])
    if not problem.plan.ensemble or len(candidates) == 1:
        return alone
    rows = np.arange(len(problem.scored))
    seed = problem.plan.validation.random_state
    if len(rows) > MAX_WEIGHING_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MAX_WEIGHING_ROWS, replace=False))
    found = blend_candidates(
        {number: values[rows] for number, values in outputs.items()},
        lambda blend, part: problem.score(blend, problem.scored[rows[part]]),
        problem.metric,
        max_members=MAX_MEMBERS,
        random_state=seed,
        until=until,
    )
    weights = _within_limits(campaign, found.weights)
    score = problem.score(mix(outputs, weights), problem.scored)
    if not found.helps or not is_better(problem.metric, score, scores[single]):
        return alone
    return weights, _number(score)


def calibrate_blend(campaign: Campaign, weights: Mapping[int, float], score: float) -> tuple[Calibration, float]:
    """What the metric gains by doing to the blend's probabilities, and the score with it."""
    problem = campaign.problem
    if not problem.n_classes:
        return Calibration(), score
    blend = mix({number: unseen_outputs(campaign, number) for number in weights}, weights)
    seed, scored = problem.plan.validation.random_state, problem.scored
    rows = np.arange(len(scored))
    if len(rows) > MAX_WEIGHING_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MAX_WEIGHING_ROWS, replace=False))
    found = calibrate(
        blend[rows],
        problem.y[scored[rows]],
        lambda outputs, part: problem.score(outputs, scored[rows[part]]),
        problem.metric,
        seed,
    )
    if found == Calibration():
        return found, score
    if found.scales is None:
        campaign.observer.log("info", f"[Training] calibrated with temperature {found.temperature:.3g}")
    else:
        text = ", ".join(
            f"{label} {scale:.3g}" for label, scale in zip(problem.labels or (), found.scales, strict=True)
        )
        campaign.observer.log("info", f"[Training] decides by probabilities times {text}")
    adjusted = found.adjust(blend) * np.array(found.scales or 1.0)
    return found, _number(problem.score(adjusted, scored))


def fit_into_time(campaign: Campaign, weights: dict[int, float], score: float) -> tuple[dict[int, float], float]:
    """The weightiest members that can be evaluated in the time that is left, at least one, and their blend's score."""
    kept = sorted(weights, key=lambda number: -weights[number])
    while campaign.deadline is not None and len(kept) > 1:
        needed = campaign.allowances.evaluation_s([campaign.trials[number] for number in kept])
        if time.monotonic() + needed <= campaign.deadline:
            break
        kept.pop()
    if len(kept) == len(weights):
        return weights, score
    return rescale(campaign, weights, kept)


def refittable(campaign: Campaign, weights: Mapping[int, float]) -> list[int]:
    """Members to be fitted on all rows that can be in the time that is left, the weightiest first."""
    members = sorted(weights, key=lambda number: -weights[number])
    refitted = [number for number in members if not is_bagged(campaign, number)]
    if campaign.deadline is None:
        return refitted
    evaluation = campaign.allowances.evaluation_s([campaign.trials[number] for number in members])
    left = (campaign.deadline - time.monotonic() - evaluation) * campaign.parallel
    chosen: list[int] = []
    for number in refitted:
        cost = 1.2 * campaign.allowances.refit_s(campaign.trials[number])
        if cost <= left and cost <= left / campaign.parallel * 2:
            chosen.append(number)
            left -= cost
    return chosen


def is_bagged(campaign: Campaign, number: int) -> bool:
    """Whether a trial's fold models are its final fit."""
    family = campaign.trials[number].started.family
    return campaign.allowances.is_bagged(family) and models_path(campaign.folder, number).exists()


def draws_of(campaign: Campaign, number: int) -> int:
    """How many repeats of the folds a trial's candidate was fitted on."""
    draws = range(1, len(campaign.problem.repeats) + 1)
    return sum(outputs_path(campaign.folder, number, draw).exists() for draw in draws)


def unseen_outputs(campaign: Campaign, number: int, n_draws: int | None = None) -> FloatArray:
    """Outputs for the scored rows by models that had not seen them: the mean over the folds and their repeats.

    Args:
        n_draws: How many of the repeats count; None for all.
    """
    n_draws = draws_of(campaign, number) if n_draws is None else n_draws
    found = [np.load(outputs_path(campaign.folder, number, draw)) for draw in range(n_draws + 1)]
    mean: FloatArray = np.mean(found, axis=0)
    return mean


def mix(outputs: Mapping[int, FloatArray], weights: Mapping[int, float]) -> FloatArray:
    """The weighted mean of the members' outputs."""
    total: FloatArray = np.sum([weight * outputs[number] for number, weight in weights.items()], axis=0)
    return total


def rescale(campaign: Campaign, weights: Mapping[int, float], usable: Iterable[int]) -> tuple[dict[int, float], float]:
    """The weights of the members that can be used, scaled to 1, and the score of their blend."""
    left = {number: weights.get(number, 1.0) for number in usable}
    left = {number: weight / sum(left.values()) for number, weight in left.items()}
    blend = mix({number: unseen_outputs(campaign, number) for number in left}, left)
    return left, _number(campaign.problem.score(blend, campaign.problem.scored))


def _kept(campaign: Campaign, numbers: Iterable[int]) -> set[int]:
    """Trials whose fold models can stand in for a final fit."""
    return {number for number in numbers if models_path(campaign.folder, number).exists()}


def _within_limits(campaign: Campaign, weights: Mapping[int, float]) -> dict[int, float]:
    """The weightiest members that together keep the plan's limits on latency and size; at least one."""
    plan = campaign.problem.plan
    left_ms, left_mb = plan.max_predict_latency_ms or np.inf, plan.max_model_mb or np.inf
    kept: dict[int, float] = {}
    for number, weight in weights.items():
        facts = campaign.trials[number].facts
        left_ms, left_mb = left_ms - (facts.latency_ms or 0.0), left_mb - (facts.size_mb or 0.0)
        if kept and (left_ms < 0 or left_mb < 0):
            break
        kept[number] = weight
    return {number: weight / sum(kept.values()) for number, weight in kept.items()}


def _number(score: float | None) -> float:
    return float("nan") if score is None else float(score)
