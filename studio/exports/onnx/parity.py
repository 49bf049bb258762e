"""How far an ONNX model's outputs are from those of the pipeline it was made of."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime
import pandas as pd
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from studio.exports.onnx.inputs import feeds_of

TOLERANCE: Final = 1e-5  # of a probability; of a number, as a share of the largest the pipeline gives
MAX_ROWS: Final = 10_000
HARD_ROWS: Final = 256
BLOCK_ROWS: Final = 1_000
GAP_SHARE, ODD_SHARE = 0.2, 0.1  # of the cells of the hard rows

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Parity:
    """What comparing has found.

    Attributes:
        max_difference: Largest absolute difference of a probability or of a predicted number; infinite where one of the
            two is not a number and the other is.
        tolerance: What it may be at most.
        rows: Rows of the validation split that were compared.
    """

    max_difference: float
    tolerance: float
    rows: int

    @property
    def is_kept(self) -> bool:
        """Whether the difference is within the tolerance."""
        return self.max_difference <= self.tolerance


def measure_parity(pipeline: Pipeline, path: Path, frame: pd.DataFrame, *, until: float) -> Parity:
    """Compare a written model with its pipeline.

    Beside the rows themselves, some are compared with cells emptied, never seen or far out of range, as those are where
    conversions go wrong; a number far out of range counts by its share of the others' size. Classes must agree too,
    wherever the two that come first are further apart than the tolerance.

    Args:
        pipeline: Fitted.
        path: The model that was written.
        frame: The validation rows, one at least; of more than ``MAX_ROWS`` evenly spread ones are taken.
        until: Monotonic time after which no further rows are compared, beyond ``BLOCK_ROWS``.
    """
    rows = frame.iloc[np.random.default_rng(0).permutation(_spread(len(frame), MAX_ROWS))]
    hard = make_hard(frame.iloc[_spread(len(frame), HARD_ROWS)], pipeline.named_steps["columns"].column_types)
    session = _open(path)
    largest, differences, compared = 0.0, [], 0
    with threadpool_limits(1):
        hard_size, hard_difference = _compare(pipeline, session, hard)
        for start in range(0, len(rows), BLOCK_ROWS):
            block = rows.iloc[start : start + BLOCK_ROWS]
            size, difference = _compare(pipeline, session, block)
            largest, compared = max(largest, size), compared + len(block)
            differences.append(difference)
            if time.monotonic() > until:
                break
    differences.append(hard_difference * min(1.0, largest / hard_size) if hard_size > 0 else hard_difference)
    return Parity(max(differences), TOLERANCE * largest, compared)


def make_hard(rows: pd.DataFrame, column_types: Mapping[str, str]) -> pd.DataFrame:
    """The rows with some of their cells emptied, and some made into what a model meets in the wild.

    Args:
        rows: Rows of the columns.
        column_types: Kind of each column, as ``ColumnReader`` has it.
    """
    rng = np.random.default_rng(0)
    odd: dict[str, list[Any]] = {
        "number": [np.inf, -np.inf, 1e300, -1e300, 0.0, -1.0, 1e9],
        "category": ["\N{SNOWMAN} never seen", "0", "true", "None"],
        "float": [0.0, -1.0, 1e9, -1e9],  # scikit-learn refuses numbers that its trees cannot hold
        "word": ["\N{SNOWMAN} never seen", "", " "],
        "boolean": [True, False],
        "datetime": ["1904-02-29T23:59:59Z", "1970-01-01T00:00:00Z", "2100-12-31T12:30:00Z"],
        "text": [""],
    }
    made = {}
    for name, kind in column_types.items():
        cells = rows[name].astype(object).to_numpy(copy=True)
        draws = rng.random(len(cells))
        strange = np.array(odd[kind], dtype=object)[rng.integers(len(odd[kind]), size=len(cells))]
        cells = np.where(draws < ODD_SHARE, strange, cells)
        cells[draws > 1 - GAP_SHARE] = None
        made[name] = cells
    return pd.DataFrame(made, columns=list(column_types), dtype=object)


def _compare(pipeline: Pipeline, session: onnxruntime.InferenceSession, rows: pd.DataFrame) -> tuple[float, float]:
    """Size of the pipeline's largest output, which of probabilities is 1, and the largest difference from it."""
    prediction, *probabilities = session.run(None, feeds_of(pipeline.named_steps["columns"], rows))
    if not probabilities:
        wanted = np.asarray(pipeline.predict(rows), dtype=np.float64)
        return float(np.max(np.abs(wanted), initial=0.0)), _difference(prediction, wanted)
    wanted = pipeline.predict_proba(rows)
    scales = pipeline.named_steps["model"].calibration.scales
    weighed = wanted if scales is None else wanted * (np.array(scales) / max(scales))
    ordered = np.sort(weighed, axis=1)
    is_clear = ordered[:, -1] - ordered[:, -2] > TOLERANCE
    meant = pipeline.classes_[weighed.argmax(axis=1)]
    is_same = (np.asarray(prediction)[is_clear].astype(str) == meant[is_clear].astype(str)).all()
    return 1.0, _difference(probabilities[0], wanted) if is_same else np.inf


def _difference(found: FloatArray, wanted: FloatArray) -> float:
    if found.shape != wanted.shape or (np.isnan(found) != np.isnan(wanted)).any():
        return np.inf
    return float(np.max(np.abs(found - wanted), initial=0.0, where=~np.isnan(wanted)))


def _open(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _spread(n_rows: int, wanted: int) -> npt.NDArray[np.int64]:
    return np.unique(np.linspace(0, max(n_rows - 1, 0), min(wanted, n_rows)).astype(np.int64))
