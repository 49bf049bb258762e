"""SHAP values of any model, from predictions alone: permutation sampling with every order also taken backwards.

Each background row gets an order of its own for each explained row (Strumbelj & Kononenko 2014), and the order is
walked in both directions (Mitchell et al. 2022), so that effects of one column and of two together come out exact.
shap's PermutationExplainer does the same with one order for all background rows; it holds all its rows in memory at
once, gigabytes where there are thousands of columns, and compiles itself for 4 s in each process.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from studio.automl.columns import Cells

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

BATCH_NUMBERS = 2_000_000  # cells, or outputs, of one call of the model


def predictions_per_row(n_columns: int, n_background: int) -> int:
    """How many predictions explaining one row takes."""
    return 2 * max(n_columns - 1, 1) * n_background


def sample_shap(
    predict: Callable[[Cells], FloatArray],
    rows: Cells,
    background: Cells,
    columns: IntArray,
    n_columns: int,
    *,
    seeds: IntArray,
) -> tuple[FloatArray, FloatArray]:
    """Values per input column; base and values of a row add up to its output.

    Args:
        predict: Outputs of shape (n_rows, n_outputs).
        rows: What to explain.
        background: What it is compared with: the base is the mean of its outputs.
        columns: Input columns that the model looks at; the others get 0.
        n_columns: Number of all input columns.
        seeds: One for each row: the same gives the same values whichever rows it comes with.

    Returns:
        Values of shape (n_rows, n_columns, n_outputs) and base values of shape (n_outputs,).
    """
    n_rows, n_background, n_used = len(rows.values), len(background.values), len(columns)
    far, near = predict(background), predict(rows)
    values = np.zeros((n_rows, n_columns, far.shape[1]))
    if not n_used:
        return values, far.mean(axis=0)
    orders = np.stack([np.random.default_rng([seed, 0]).random((n_background, n_used)) for seed in seeds])
    ranks = orders.argsort(axis=2).argsort(axis=2)
    between = _walk(predict, rows, background, columns, ranks, far.shape[1])
    ends = np.broadcast_to(far[None, :, None], (n_rows, n_background, 1, far.shape[1]))
    starts = np.broadcast_to(near[:, None, None], ends.shape)
    forth = np.concatenate([ends, between[:, :, : n_used - 1], starts], axis=2)
    back = np.concatenate([starts, between[:, :, n_used - 1 :], ends], axis=2)
    by_rank = (np.diff(forth, axis=2) - np.diff(back, axis=2)) / 2
    by_column = np.take_along_axis(by_rank, ranks[..., None], axis=2)
    values[:, columns] = by_column.mean(axis=1)
    return values, far.mean(axis=0)


def _walk(
    predict: Callable[[Cells], FloatArray],
    rows: Cells,
    background: Cells,
    columns: IntArray,
    ranks: IntArray,
    n_outputs: int,
) -> FloatArray:
    """Outputs on the way from each background row to each row and back, without the ends.

    Args:
        ranks: When each of ``columns`` changes, of shape (n_rows, n_background, n_columns).

    Returns:
        Of shape (n_rows, n_background, 2 * (n_columns - 1), n_outputs).
    """
    n_rows, n_background, n_used = ranks.shape
    n_steps = 2 * (n_used - 1)
    n_states = n_rows * n_background * n_steps
    outputs = np.empty((n_states, n_outputs))
    size = max(1, BATCH_NUMBERS // max(rows.values.shape[1] + len(rows.texts), n_outputs, n_used))
    for start in range(0, n_states, size):
        states = np.arange(start, min(start + size, n_states))
        pairs, steps = np.divmod(states, n_steps)
        near, far = np.divmod(pairs, n_background)
        rank = ranks[near, far]
        is_forth = (steps < n_used - 1)[:, None]
        changed = (steps % (n_used - 1))[:, None]
        is_near = np.where(is_forth, rank <= changed, rank > changed)
        outputs[states] = predict(_mix(rows.take(near), background.take(far), columns, is_near))
    return outputs.reshape(n_rows, n_background, n_steps, n_outputs)


def _mix(near: Cells, far: Cells, columns: IntArray, is_near: npt.NDArray[np.bool_]) -> Cells:
    """Rows with some columns of one and the others of the other."""
    places = np.zeros(int(max([*near.sources, *near.text_sources, *columns])) + 1, dtype=np.int64)
    places[columns] = np.arange(len(columns))
    texts = [
        np.where(is_near[:, places[source]], one, other)
        for source, one, other in zip(near.text_sources, near.texts, far.texts, strict=True)
    ]
    return replace(far, values=np.where(is_near[:, places[near.sources]], near.values, far.values), texts=tuple(texts))
