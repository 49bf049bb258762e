"""Compiles a loaded model into one graph, and uses it only where it was seen to answer what the model answers."""

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson
import pandas as pd

from studio.backends.mlflow.hosted_model import HostedModel
from studio.backends.mlflow.model_files import ModelColumn
from studio.backends.serving.called_model import plain_values
from studio.backends.serving.wire import to_json
from studio.exports.onnx.compiled import CompiledModel
from studio.exports.onnx.conversion import convert, is_ours
from studio.exports.onnx.graph import CannotConvert
from studio.exports.onnx.parity import make_hard
from studio.exports.onnx.plain_pipelines import convert_plain

logger = logging.getLogger(__name__)

TOLERANCE: Final = 1e-6  # of a probability, or of the largest number; XGBoost computes in single precision
HARD_ROWS: Final = 256


def compile_model(model: Any, columns: Sequence[ModelColumn], sample: pd.DataFrame) -> CompiledModel | None:
    """The model as a graph that predicts rows in a tenth of the time or less; None where that is not possible.

    Both answer the sample and, as those are where compilers go wrong, rows of it with cells emptied, never seen or far
    out of range. A graph that gives one row another class, or a probability or a number that differs, is not used.

    Args:
        model: Fitted scikit-learn estimator.
        columns: What it takes.
        sample: Training rows of these columns, one at least.
    """
    started = time.monotonic()
    try:
        stored_as = {column.name: column.type for column in columns}
        made = convert(model) if is_ours(model) else convert_plain(model, stored_as)
        written = {column.name: column.written for column in columns if column.written is not None}
        compiled = CompiledModel(made.SerializeToString(), stored_as, written)
    except (CannotConvert, ValueError) as error:  # ValueError: beyond the 2 GB that a message can hold
        logger.info("the model is served as it is: cannot be converted: %s", error)
        return None
    spread = np.linspace(0, len(sample) - 1, HARD_ROWS).astype(np.int64)
    hard = make_hard(sample.iloc[spread], compiled.kinds)
    hosted = HostedModel(model, columns)
    for frame in (sample, hard):
        fault = _difference(hosted, compiled, orjson.loads(to_json(frame.to_dict("records"))))
        if fault is not None:
            logger.warning("the model is served as it is: compiled, it differs: %s", fault)
            return None
    logger.info("the model was compiled in %.1f s", time.monotonic() - started)
    return compiled


def _difference(hosted: HostedModel, compiled: CompiledModel, rows: Sequence[Mapping[str, Any]]) -> str | None:
    """Where the two answer differently, None where they do not."""
    frame = hosted.input_frame(rows)
    wanted, (found, shares) = plain_values(hosted.predict(frame)), compiled.predict_rows(rows)
    if shares is None:
        return _distance(np.array(found, dtype=np.float64), np.array(wanted, dtype=np.float64))
    if found != wanted:
        return f"{sum(one != other for one, other in zip(found, wanted, strict=True))} rows get another class"
    return _distance(shares, np.asarray(hosted.predict_proba(frame), dtype=np.float64))


def _distance(found: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64]) -> str | None:
    largest = float(np.max(np.abs(wanted), initial=0.0))
    if found.shape == wanted.shape and np.allclose(found, wanted, rtol=0, atol=TOLERANCE * largest):
        return None
    return f"by more than {TOLERANCE * largest:.2g}"
