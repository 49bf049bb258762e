"""Greedy weighting of candidates (Caruana et al. 2004) by their outputs for rows they had not seen."""

import time
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from studio.evaluation.metrics import is_better

FloatArray = npt.NDArray[np.float64]

ROUNDS = 30
PATIENCE = 5  # steps without a gain


def weigh_candidates(
    outputs: Mapping[int, FloatArray],
    score: Callable[[FloatArray], float | None],
    metric: str,
    *,
    rounds: int = ROUNDS,
    until: float | None = None,
) -> tuple[dict[int, float], float | None]:
    """Add one candidate after the other, with repetition, each time the one that helps the mean most.

    Args:
        outputs: By candidate, the outputs for the same rows, of shape (n_rows,) or (n_rows, n_classes).
        score: The metric of such outputs.
        metric: Its name, for the direction.
        until: Monotonic time at which to end with what there is; None for never.

    Returns:
        Weights that sum to 1 of the best mean on the way, and its score. Equal scores keep the fewer members.
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
    return {number: members.count(number) / len(members) for number in dict.fromkeys(members)}, best[1]
