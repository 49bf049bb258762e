"""Greedy weighting of candidates (Caruana et al. 2004) by their outputs for rows they had not seen."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studio.evaluation.metrics import direction_of, is_better

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Score = Callable[[FloatArray, IntArray], float | None]

ROUNDS = 30
PATIENCE = 5  # steps without a gain
SPLITS = ((2_000, 5), (10_000, 2))  # by rows at most: how often they are halved; once beyond
LEAST_WEIGHT = 0.03  # what has less costs more time at every prediction than it adds


@dataclass(frozen=True)
class Blend:
    """Weights found on halves of the rows.

    Attributes:
        weights: Of the candidates that are in, the weightiest first; they sum to 1.
        helps: Whether, on the halves that were not used for weighing, the blends were better than the candidate that
            was best on the other half.
    """

    weights: dict[int, float]
    helps: bool


def blend_candidates(
    outputs: Mapping[int, FloatArray],
    score: Score,
    metric: str,
    *,
    max_members: int,
    random_state: int,
    until: float | None = None,
) -> Blend:
    """Weigh on one half of the rows, check on the other, both ways and on several halvings; the mean is the blend.

    The mean over halves keeps candidates that happened to fit some rows from ruling it.

    Args:
        outputs: By candidate, the outputs for the same rows, of shape (n_rows,) or (n_rows, n_classes).
        score: The metric of outputs for some of the rows, given by position.
        metric: Its name, for the direction.
        max_members: Candidates in the blend at most.
        until: Monotonic time at which to end with what there is; None for never.
    """
    n_rows = len(next(iter(outputs.values())))
    rng = np.random.default_rng(random_state)
    totals: dict[int, float] = {}
    gains: list[float] = []
    sign = 1.0 if direction_of(metric) == "max" else -1.0
    for halving in range(next((times for most, times in SPLITS if n_rows <= most), 1)):
        if halving and until is not None and time.monotonic() > until:
            break
        halves = np.array_split(rng.permutation(n_rows), 2)
        for seen, unseen in (halves, halves[::-1]):
            weights, gain = _weigh_half(outputs, score, metric, np.sort(seen), np.sort(unseen), until)
            gains += [] if gain is None else [sign * gain]
            for number, weight in weights.items():
                totals[number] = totals.get(number, 0.0) + weight
            if until is not None and time.monotonic() > until:
                break
    return Blend(_cut(totals, max_members), helps=bool(gains) and float(np.mean(gains)) > 0)


def _weigh_half(
    outputs: Mapping[int, FloatArray],
    score: Score,
    metric: str,
    seen: IntArray,
    unseen: IntArray,
    until: float | None,
) -> tuple[dict[int, float], float | None]:
    """Weights by the seen rows, and what the blend scores more than the best candidate on the others."""
    found = weigh_candidates(
        {number: values[seen] for number, values in outputs.items()},
        lambda blend: score(blend, seen),
        metric,
        until=until,
    )
    weights, first = found.weights, found.first
    blend: FloatArray = np.sum([weight * outputs[number][unseen] for number, weight in weights.items()], axis=0)
    together, alone = score(blend, unseen), score(outputs[first][unseen], unseen)
    return weights, None if together is None or alone is None else together - alone


def _cut(totals: Mapping[int, float], max_members: int) -> dict[int, float]:
    """The weightiest, scaled to 1."""
    whole = sum(totals.values())
    ordered = sorted(totals, key=lambda number: (-totals[number], number))
    kept = [number for number in ordered[:max_members] if totals[number] >= LEAST_WEIGHT * whole] or ordered[:1]
    return {number: totals[number] / sum(totals[other] for other in kept) for number in kept}


@dataclass(frozen=True)
class Weighing:
    """What greedy weighing found.

    Attributes:
        weights: They sum to 1.
        first: The candidate that was best alone.
        score: Of the weighted mean, None where it is undefined.
    """

    weights: dict[int, float]
    first: int
    score: float | None


def weigh_candidates(
    outputs: Mapping[int, FloatArray],
    score: Callable[[FloatArray], float | None],
    metric: str,
    *,
    rounds: int = ROUNDS,
    until: float | None = None,
) -> Weighing:
    """Add one candidate after the other, with repetition, each time the one that helps the mean most.

    Args:
        outputs: By candidate, the outputs for the same rows, of shape (n_rows,) or (n_rows, n_classes).
        score: The metric of such outputs.
        metric: Its name, for the direction.
        until: Monotonic time at which to end with what there is; None for never.

    Returns:
        The best mean on the way. Equal scores keep the fewer members.
    """
    picked: list[int] = []
    total = np.zeros_like(next(iter(outputs.values())))
    best: tuple[list[int], float | None] = ([], None)
    for _ in range(rounds):
        step: tuple[int, float | None] | None = None
        for number, candidate in outputs.items():
            value = score((total + candidate) / (len(picked) + 1))
            if step is None or is_better(metric, value, step[1]):
                step = (number, value)
        if step is None:
            break
        picked.append(step[0])
        total = total + outputs[step[0]]
        if not best[0] or is_better(metric, step[1], best[1]):
            best = (picked.copy(), step[1])
        is_stale = len(picked) - len(best[0]) >= PATIENCE
        if is_stale or (until is not None and time.monotonic() > until):
            break
    members = best[0]
    weights = {number: members.count(number) / len(members) for number in dict.fromkeys(members)}
    return Weighing(weights, picked[0], best[1])
