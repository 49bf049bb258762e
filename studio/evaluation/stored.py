"""The evaluation of a run as it is kept: scores in one JSON file, predictions in one Parquet file per split.

Everything the API later says of a version's quality is computed from these files; the model is not asked again.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from studio.clock import format_time

FOLDER: Final = "evaluation"
SUMMARY: Final = "summary.json"
SPLITS: Final = ("train", "validation", "test")
_PROBABILITY: Final = "probability_"

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Interval = tuple[float, float]


@dataclass(frozen=True)
class SplitEvaluation:
    """Predictions on one split.

    Attributes:
        row_index: Positions in the dataset, of shape (n_rows,).
        y_true: Labels (strings) or numbers of shape (n_rows,).
        y_pred: Likewise.
        proba: Class probabilities of shape (n_rows, n_labels), columns in the order of the labels; None for a
            model without.
        naive_errors: Of a time series, the naive error of each row's series, NaN where it is undefined.
        times: Of a time series, the time stamp of each row in UTC, as datetime64.
    """

    row_index: IntArray
    y_true: npt.NDArray[Any]
    y_pred: npt.NDArray[Any]
    proba: FloatArray | None = None
    naive_errors: FloatArray | None = None
    times: npt.NDArray[np.datetime64] | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.y_true)

    @property
    def size_bytes(self) -> int:
        """Memory it takes, roughly; labels are shared between the rows."""
        arrays = (self.row_index, self.y_true, self.y_pred, self.proba, self.naive_errors, self.times)
        return sum(array.nbytes for array in arrays if array is not None)


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What both forms of an evaluation tell.

    Attributes:
        task: ``classification``, ``regression``, ``time_series`` or ``clustering``.
        labels: All classes as strings, sorted; None where there are none.
        positive_label: The positive one of two labels, None otherwise.
        primary_metric: What the run optimized.
        metrics: Values by split and metric; None where undefined.
        intervals: 95 % bootstrap intervals by split and metric; undefined ones are absent.
        feature_columns: Columns the model takes, in its order.
        computed_at: Aware, kept to the second.
    """

    task: str
    labels: tuple[str, ...] | None
    positive_label: str | None
    primary_metric: str
    metrics: Mapping[str, Mapping[str, float | None]]
    intervals: Mapping[str, Mapping[str, Interval]]
    feature_columns: tuple[str, ...]
    computed_at: datetime


@dataclass(frozen=True, kw_only=True)
class Evaluation(Scores):
    """The evaluation of a run, as the end of training has it.

    Attributes:
        splits: Predictions by split.
    """

    splits: Mapping[str, SplitEvaluation]


@dataclass(frozen=True, kw_only=True)
class EvaluationSummary(Scores):
    """The evaluation of a run without its predictions.

    Attributes:
        sample_counts: Rows by split.
    """

    sample_counts: Mapping[str, int]


def write_evaluation(folder: Path, evaluation: Evaluation) -> list[Path]:
    """Write an evaluation into a local folder, made where it is not there; a repeat replaces it.

    Args:
        folder: Where to write.
        evaluation: What to write.

    Returns:
        The files, to be stored under ``evaluation/`` of the run.

    Raises:
        ValueError: A split is unknown, or its arrays do not fit together or the labels.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for split, predictions in evaluation.splits.items():
        table = _table_of(split, predictions, evaluation.labels)
        files.append(folder / file_of(split))
        pq.write_table(table, files[-1], compression="zstd")
    files.append(folder / SUMMARY)
    files[-1].write_bytes(orjson.dumps(_summary_of(evaluation), option=orjson.OPT_SERIALIZE_NUMPY))
    return files


def file_of(split: str) -> str:
    """Name of the file of a split's predictions."""
    return f"{split}.parquet"


def read_summary(content: bytes) -> EvaluationSummary:
    """Read what is known without the predictions.

    Args:
        content: Bytes of ``summary.json``.
    """
    fields = orjson.loads(content)
    return EvaluationSummary(
        task=fields["task"],
        labels=None if fields["labels"] is None else tuple(fields["labels"]),
        positive_label=fields["positive_label"],
        primary_metric=fields["primary_metric"],
        metrics=fields["metrics"],
        intervals={
            split: {name: (low, high) for name, (low, high) in intervals.items()}
            for split, intervals in fields["intervals"].items()
        },
        sample_counts=fields["sample_counts"],
        feature_columns=tuple(fields["feature_columns"]),
        computed_at=datetime.fromisoformat(fields["computed_at"]),
    )


def read_split(content: bytes, labels: tuple[str, ...] | None) -> SplitEvaluation:
    """Read the predictions on one split.

    Args:
        content: Bytes of its Parquet file.
        labels: Labels of the evaluation.
    """
    table = pq.read_table(io.BytesIO(content))
    columns = [f"{_PROBABILITY}{label}" for label in labels or ()]
    proba = None
    if columns and columns[0] in table.column_names:
        proba = np.column_stack([table[name].to_numpy() for name in columns])
    return SplitEvaluation(
        row_index=table["row_index"].to_numpy(),
        y_true=_values_of(table["y_true"]),
        y_pred=_values_of(table["y_pred"]),
        proba=proba,
        naive_errors=table["naive_error"].to_numpy() if "naive_error" in table.column_names else None,
        times=table["timestamp"].to_numpy() if "timestamp" in table.column_names else None,
    )


def _table_of(split: str, predictions: SplitEvaluation, labels: tuple[str, ...] | None) -> pa.Table:
    if split not in SPLITS:
        raise ValueError(f"{split!r} is not one of {SPLITS}")
    columns: dict[str, Any] = {
        "row_index": pa.array(np.asarray(predictions.row_index, dtype=np.int64)),
        "y_true": _column_of(predictions.y_true, is_label=labels is not None),
        "y_pred": _column_of(predictions.y_pred, is_label=labels is not None),
    }
    if predictions.proba is not None:
        if labels is None or predictions.proba.shape != (predictions.n_rows, len(labels)):
            raise ValueError(f"probabilities of shape {predictions.proba.shape} do not fit {labels}")
        for place, label in enumerate(labels):
            columns[f"{_PROBABILITY}{label}"] = pa.array(predictions.proba[:, place].astype(np.float64))
    if predictions.naive_errors is not None:
        columns["naive_error"] = pa.array(predictions.naive_errors)
    if predictions.times is not None:
        columns["timestamp"] = pa.array(predictions.times.astype("datetime64[us]"))
    return pa.table(columns)


def _column_of(values: npt.NDArray[Any], *, is_label: bool) -> pa.Array:
    if is_label:
        return pa.array([str(value) for value in values], pa.string()).dictionary_encode()
    return pa.array(np.asarray(values, dtype=np.float64))


def _values_of(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    if not pa.types.is_dictionary(column.type):
        return np.asarray(column.to_numpy())
    parts = [np.array(chunk.dictionary.to_pylist(), dtype=object)[chunk.indices] for chunk in column.chunks]
    return np.concatenate([np.empty(0, dtype=object), *parts])


def _summary_of(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "task": evaluation.task,
        "labels": evaluation.labels,
        "positive_label": evaluation.positive_label,
        "primary_metric": evaluation.primary_metric,
        "metrics": evaluation.metrics,
        "intervals": evaluation.intervals,
        "sample_counts": {split: predictions.n_rows for split, predictions in evaluation.splits.items()},
        "feature_columns": evaluation.feature_columns,
        "computed_at": format_time(evaluation.computed_at),
    }
