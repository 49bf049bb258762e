"""What needs the rows of the dataset beside the predictions: errors with their values, and scores by slice."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Unpack

import numpy as np
import pyarrow as pa

from studio.backends.stores import Stores
from studio.clock import format_time
from studio.datasets import service as datasets
from studio.errors import DatasetNotFound, NoEvaluation, NotApplicable, RunNotFound, UnknownColumn
from studio.evaluation import curves
from studio.evaluation.metrics import compute_metrics
from studio.evaluation.mistakes import confidences_of, find_mistakes
from studio.evaluation.slices import Slice, slice_codes, slice_numbers
from studio.evaluation.stored import IntArray, SplitEvaluation
from studio.performance.service.answers import Finding, finding_of
from studio.performance.service.class_answers import NUMBER_TASKS
from studio.performance.service.evaluations import (
    CLASSIFICATION,
    Asked,
    StoredEvaluation,
    check_classifier,
    find_evaluation,
    read_predictions,
)
from studio.tabular.preview import to_json
from studio.training import service as training

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class ErrorRow:
    """A row taken for another class.

    Attributes:
        row_index: Its position in the dataset.
        confidence: Probability of the predicted class, None without.
        features: Raw values by column, as JSON holds them.
    """

    row_index: int
    true_label: str
    predicted_label: str
    confidence: float | None
    features: dict[str, Any]


@dataclass(frozen=True)
class Mistaken:
    """Errors of a split: how many there are, and those asked for."""

    total_errors: int
    error_rate: float
    results: list[ErrorRow]


@dataclass(frozen=True)
class ScoredSlice:
    """Scores of the rows of one value; None where undefined."""

    value: str | None
    count: int
    metrics: dict[str, float | None]


@dataclass(frozen=True)
class SlicesBy:
    """Scores by the values of a feature."""

    by: str
    slices: list[ScoredSlice]


def list_errors(
    stores: Stores,
    model_id: str,
    *,
    limit: int,
    true_label: str | None = None,
    predicted_label: str | None = None,
    min_confidence: float | None = None,
    **asked: Unpack[Asked],
) -> Finding[Mistaken]:
    """Rows a version took for another class, the most confident first, at most ``limit``.

    Raises:
        NotApplicable: The version is no classifier, or has no probabilities to hold against ``min_confidence``.
        UnknownClass: The version knows no such class.
        NoEvaluation: The dataset was deleted; other errors as in find_evaluation.
    """
    found = find_evaluation(stores, model_id, **asked)
    labels = check_classifier(found)
    for label in (true_label, predicted_label):
        if label is not None:
            curves.find_class(label, labels)
    split = read_predictions(stores, found)
    if min_confidence is not None and split.proba is None:
        raise NotApplicable(f"Version {found.version_id} gives no probabilities; leave min_confidence out.")
    confidences = confidences_of(split, labels)
    chosen = find_mistakes(
        split, confidences, true_label=true_label, predicted_label=predicted_label, min_confidence=min_confidence
    )[:limit]
    total = int(np.sum(split.y_true != split.y_pred))
    values = _read_rows(stores, found, list(found.summary.feature_columns), split.row_index[chosen]).to_pylist()
    results = [
        ErrorRow(
            row_index=int(split.row_index[row]),
            true_label=split.y_true[row],
            predicted_label=split.y_pred[row],
            confidence=to_json(float(confidences[row])),
            features={name: to_json(value) for name, value in features.items()},
        )
        for row, features in zip(chosen.tolist(), values, strict=True)
    ]
    return finding_of(found, Mistaken(total, total / split.n_rows, results))


def make_slices(
    stores: Stores, model_id: str, *, by: str, max_slices: int, **asked: Unpack[Asked]
) -> Finding[SlicesBy]:
    """Scores of a version by the values of a feature, the smallest slices last.

    Raises:
        NotApplicable: The version finds clusters.
        UnknownColumn: ``by`` is none of its features.
        NoEvaluation: The dataset was deleted; other errors as in find_evaluation.
    """
    found = find_evaluation(stores, model_id, **asked)
    if found.summary.task not in (CLASSIFICATION, *NUMBER_TASKS):
        raise NotApplicable(f"Slices have no scores for {found.summary.task}, which version {found.version_id} does.")
    if by not in found.summary.feature_columns:
        raise UnknownColumn(
            f"Version {found.version_id} has no feature {by!r}; by takes one of its feature columns.",
            fields=[("by", f"there is no feature {by!r}")],
        )
    split = read_predictions(stores, found)
    column = _read_rows(stores, found, [by], split.row_index)[by]
    slices = [_score(found, split, part) for part in _slice(column, max_slices)]
    return finding_of(found, SlicesBy(by, slices))


def _read_rows(stores: Stores, found: StoredEvaluation, columns: list[str], rows: IntArray) -> pa.Table:
    gone = f"The dataset version {found.version_id} was evaluated on was deleted: its rows can no longer be shown."
    try:
        dataset_id = training.find_run(stores, found.run_id).dataset_id
        if dataset_id is None:
            raise NoEvaluation(gone)
        return datasets.read_rows(stores, dataset_id, columns, rows)
    except (DatasetNotFound, RunNotFound) as error:
        raise NoEvaluation(gone) from error


def _slice(column: pa.ChunkedArray, max_slices: int) -> list[Slice]:
    kind = column.type
    if pa.types.is_temporal(kind):
        instants = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        return slice_numbers(instants.cast(pa.float64(), safe=False).to_numpy(), _write_time, max_slices)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = column.cast(pa.float64(), safe=False).to_numpy()
        return slice_numbers(numbers, lambda bound: repr(bound).removesuffix(".0"), max_slices)
    encoded = column.cast(pa.string()).dictionary_encode().unify_dictionaries()
    codes = [chunk.indices.fill_null(-1).to_numpy() for chunk in encoded.chunks]
    names = encoded.chunk(0).dictionary.to_pylist() if encoded.num_chunks else []
    return slice_codes(np.concatenate([np.empty(0, dtype=np.int64), *codes]), names, max_slices)


def _write_time(microseconds: float) -> str:
    return format_time(EPOCH + timedelta(microseconds=microseconds))


def _score(found: StoredEvaluation, split: SplitEvaluation, part: Slice) -> ScoredSlice:
    metrics = compute_metrics(
        found.summary.task,
        split.y_true[part.rows],
        split.y_pred[part.rows],
        None if split.proba is None else split.proba[part.rows],
        found.summary.labels,
        found.summary.positive_label,
        len(found.summary.feature_columns),
        None if split.naive_errors is None else split.naive_errors[part.rows],
    )
    return ScoredSlice(part.value, len(part.rows), metrics)
