"""Logged predictions as columns of a Parquet file."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import pyarrow as pa

from studio.backends.serving.wire import as_texts

INPUT = "input."  # before the name of a feature


def table_of(lines: Iterable[Mapping[str, Any]]) -> pa.Table:
    """The predictions of some lines of a segment, one row each, in their order.

    Columns: ``prediction_id``, ``predicted_at`` (UTC, microseconds), ``latency_ms``, ``prediction`` and
    ``probabilities`` as JSON (missing where the model has none), and one per feature, ``input.`` before its name:
    truth values, numbers in double precision, or texts; a feature of several kinds becomes text.

    Args:
        lines: As ``read_segment`` gives them, one at least.
    """
    ids: list[str] = []
    stamps: list[datetime] = []
    latencies: list[float] = []
    predictions: list[bytes] = []
    probabilities: list[bytes | None] = []
    rows: list[Mapping[str, Any]] = []
    for line in lines:
        count = len(line["ids"])
        ids += line["ids"]
        stamps += [datetime.fromtimestamp(line["at"], UTC)] * count
        latencies += [line["ms"]] * count
        predictions += map(orjson.dumps, line["predictions"])
        probabilities += [None] * count if line["probabilities"] is None else map(orjson.dumps, line["probabilities"])
        rows += line["rows"]
    names = list(dict.fromkeys(name for row in rows for name in row))
    inputs = {f"{INPUT}{name}": _feature([row.get(name) for row in rows]) for name in names}
    return pa.table(
        {
            "prediction_id": pa.array(ids, pa.string()),
            "predicted_at": pa.array(stamps, pa.timestamp("us", "UTC")),
            "latency_ms": pa.array(latencies, pa.float32()),
            "prediction": pa.array(predictions, pa.binary()).cast(pa.string()),
            "probabilities": pa.array(probabilities, pa.binary()).cast(pa.string()),
            **inputs,
        }
    )


def _feature(cells: Sequence[Any]) -> pa.Array:
    kinds = {type(cell) for cell in cells} - {type(None)}
    if kinds <= {bool}:
        return pa.array(cells, pa.bool_())
    if kinds <= {int, float}:
        return pa.array([None if cell is None else float(cell) for cell in cells], pa.float64())
    return pa.array(as_texts(cells), pa.string())
