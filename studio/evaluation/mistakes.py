"""The rows a classifier got wrong."""

from collections.abc import Sequence

import numpy as np

from studio.evaluation.curves import encode_labels
from studio.evaluation.stored import FloatArray, IntArray, SplitEvaluation


def confidences_of(split: SplitEvaluation, labels: Sequence[str]) -> FloatArray:
    """Probability of the predicted class by row, of shape (n_rows,); NaN where there is none.

    Args:
        split: Predictions.
        labels: All classes, sorted.
    """
    if split.proba is None:
        return np.full(split.n_rows, np.nan)
    chosen: FloatArray = split.proba[np.arange(split.n_rows), encode_labels(split.y_pred.tolist(), labels)]
    return np.where(np.isfinite(chosen), chosen, np.nan)


def find_mistakes(
    split: SplitEvaluation,
    confidences: FloatArray,
    *,
    true_label: str | None = None,
    predicted_label: str | None = None,
    min_confidence: float | None = None,
) -> IntArray:
    """Positions within the split of rows whose prediction is wrong, the most confident first, NaN last.

    Args:
        split: Predictions.
        confidences: Of shape (n_rows,), as ``confidences_of`` gives them.
        true_label: Only rows of this class.
        predicted_label: Only rows taken for this class.
        min_confidence: Only rows of at least this confidence, 0 to 1.
    """
    is_wanted = split.y_true != split.y_pred
    if true_label is not None:
        is_wanted = is_wanted & (split.y_true == true_label)
    if predicted_label is not None:
        is_wanted = is_wanted & (split.y_pred == predicted_label)
    if min_confidence is not None:
        is_wanted = is_wanted & (confidences >= min_confidence)
    rows = np.flatnonzero(is_wanted)
    return rows[np.argsort(-confidences[rows], kind="stable")]
