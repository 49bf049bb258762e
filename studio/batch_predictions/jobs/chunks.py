"""Predicts some rows of a dataset; each row that cannot be predicted says why."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from studio.automl.columns import read_text
from studio.backends.mlflow.model_files import ModelColumn
from studio.backends.serving.port import Answer
from studio.backends.serving.wire import as_texts
from studio.domain.identifiers import new_prediction_ids
from studio.errors import PredictionFailed
from studio.predictions import service as predictions

MAX_LONE: Final = 50  # rows of a chunk that are found to fail one by one; further ones fail with those beside them
OWN: Final = ("prediction", "prediction_id")
PROBABILITY: Final = "probability_"
TYPES: Final[Mapping[str, pa.DataType]] = {
    "integer": pa.int64(), "long": pa.int64(), "float": pa.float64(), "double": pa.float64(),
    "boolean": pa.bool_(), "string": pa.string(),
}  # fmt: skip

Ask = Callable[[list[predictions.Row]], Answer]


@dataclass(frozen=True)
class RowError:
    """Why a row was not predicted.

    Attributes:
        row: Its number in the dataset, from 1.
        column: The column that does not fit; empty where the model itself failed.
    """

    row: int
    column: str
    message: str


@dataclass(frozen=True)
class Predicted:
    """What became of a chunk.

    Attributes:
        table: The rows that were predicted, in order, with the columns of the dataset and of the prediction.
        n_failed: How many were not.
        errors: Why: at least one for each of those.
    """

    table: pa.Table
    n_failed: int
    errors: Sequence[RowError]


def predict_chunk(
    chunk: pa.RecordBatch, start: int, schema: predictions.InputSchema, ask: Ask, kind: str | None
) -> Predicted:
    """Predict the rows that fit.

    Args:
        chunk: Some rows of a dataset's typed table.
        start: How many rows of the dataset come before them.
        schema: What the version takes.
        ask: Has a model predict; raises PredictionFailed where it cannot.
        kind: What it predicts, in MLflow's words; None where nobody knows.
    """
    known = chunk.schema.names
    names = known if schema.names is None else [name for name in schema.names if name in known]
    columns = {name: _values_of(chunk.column(name), schema.columns.get(name)) for name in names}
    given = predictions.GivenColumns(columns, len(chunk), lambda row, name: name)
    faults = schema.find_faults(given)
    errors = [RowError(start + fault.row + 1, fault.pointer, fault.message) for fault in faults]
    bad = {fault.row for fault in faults}
    fitting = [place for place in range(len(chunk)) if place not in bad]
    records = [{name: values[place] for name, values in columns.items()} for place in fitting]
    outcomes = _predict(ask, records) if records else []
    good = [pair for pair in zip(fitting, outcomes, strict=True) if not isinstance(pair[1], str)]
    errors += [
        RowError(start + place + 1, "", told)
        for place, told in zip(fitting, outcomes, strict=True)
        if isinstance(told, str)
    ]
    table = _table_of(chunk, [place for place, _ in good], [outcome for _, outcome in good], kind)
    return Predicted(table, len(chunk) - len(good), sorted(errors, key=lambda error: error.row))


Outcome = tuple[Any, Mapping[str, float]]


def _predict(ask: Ask, rows: list[predictions.Row]) -> list[Any]:
    """Prediction and probabilities of each row, or what the model raised at it, found by halving."""
    outcomes: list[Any] = [None] * len(rows)
    waiting, n_lone = [(0, len(rows))], 0
    while waiting:
        start, end = waiting.pop()
        try:
            answer = ask(rows[start:end])
        except PredictionFailed as error:
            if end - start == 1 or n_lone >= MAX_LONE:
                outcomes[start:end] = [str(error)] * (end - start)
                n_lone += 1
            else:
                middle = (start + end) // 2
                waiting += [(middle, end), (start, middle)]
            continue
        shares: Sequence[Mapping[str, float]] = answer.probabilities or [{}] * (end - start)
        outcomes[start:end] = zip(answer.predictions, shares, strict=True)
    return outcomes


def _table_of(chunk: pa.RecordBatch, places: list[int], outcomes: list[Outcome], kind: str | None) -> pa.Table:
    own = chunk.take(pa.array(places, pa.int64()))
    columns = dict(zip(_renamed(chunk.schema.names), own.columns, strict=True))
    columns["prediction"] = _array([prediction for prediction, _ in outcomes], TYPES.get(kind or ""))
    for label in outcomes[0][1] if outcomes else ():
        columns[f"{PROBABILITY}{label}"] = pa.array([shares[label] for _, shares in outcomes], pa.float64())
    columns["prediction_id"] = pa.array(new_prediction_ids(len(outcomes), time.time()), pa.string())
    return pa.table(columns)


def _renamed(names: Sequence[str]) -> list[str]:
    """Names of the dataset's columns beside those of the prediction: of the same name, they say where they are from."""
    taken, found = set(names), []
    for name in names:
        new = name
        while new in OWN or new.startswith(PROBABILITY) or (new != name and new in taken):
            new = f"dataset_{new}"
        taken.add(new)
        found.append(new)
    return found


def _array(values: list[Any], storage: pa.DataType | None) -> pa.Array:
    """Predictions as what the version says they are; as text where they are not."""
    if storage is not None:
        try:
            return pa.array(values, storage)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            pass
    return pa.array(as_texts(values), pa.string())


def _values_of(array: pa.Array, column: ModelColumn | None) -> list[Any]:
    """Values of a typed table as JSON has them, in the type of the version's column where that is plain to see."""
    if pa.types.is_timestamp(array.type):
        return [None if value is None else value.isoformat() for value in array.to_pylist()]
    values: list[Any] = array.to_pylist()
    if column is None:
        return values
    if column.type == "string":
        return values if pa.types.is_string(array.type) else [read_text(value) for value in values]
    if pa.types.is_string(array.type):
        return predictions.read_texts(column, ["" if value is None else value for value in values])
    if pa.types.is_boolean(array.type) and column.type != "boolean":
        return [None if value is None else int(value) for value in values]
    return values
