"""Calling whatever a loader returned: rows in, plain predictions out.

A loaded model follows scikit-learn: ``predict(frame)`` and, where it has probabilities, ``predict_proba(frame)`` and
``classes_``. Where it has ``input_frame(rows)``, that makes the frame from the rows, with the types the model was
trained on; else pandas guesses them. One that has ``predict_rows(rows)`` gives predictions and probabilities at once.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from studio.backends.serving.wire import Rows


class CalledModel:
    """A loaded model as the host calls it.

    Attributes:
        reads_rows: Whether it reads each row by itself, so that no row changes how another one is read.
    """

    def __init__(self, loaded: Any) -> None:
        self._loaded = loaded
        names = getattr(loaded, "feature_names_in_", None)
        self._columns = None if names is None else [str(name) for name in names]
        self._has_probabilities = hasattr(loaded, "predict_proba") and hasattr(loaded, "classes_")
        self.reads_rows = hasattr(loaded, "predict_rows")
        classes = getattr(loaded, "classes_", None)
        self._labels = [] if classes is None else [str(label) for label in plain_values(classes)]

    @property
    def loaded(self) -> Any:
        """What the loader returned."""
        return self._loaded

    def predict(self, rows: Rows) -> tuple[list[Any], list[dict[str, float]] | None]:
        """Predict.

        Args:
            rows: Column -> value, at least one row.

        Returns:
            One prediction per row, and one map from class label to probability per row where the model has them.

        Raises:
            ValueError: The model gave another number of predictions than there are rows.
            Exception: Whatever the model raises.
        """
        predictions, shares = self._loaded.predict_rows(rows) if self.reads_rows else self._predict_frame(rows)
        if len(predictions) != len(rows):
            raise ValueError(f"the model gave {len(predictions)} predictions for {len(rows)} rows")
        if shares is None:
            return predictions, None
        return predictions, [dict(zip(self._labels, row, strict=True)) for row in shares.tolist()]

    def _predict_frame(self, rows: Rows) -> tuple[list[Any], npt.NDArray[np.float64] | None]:
        frame = self._frame(rows)
        predictions = plain_values(self._loaded.predict(frame))
        if not self._has_probabilities:
            return predictions, None
        return predictions, np.asarray(self._loaded.predict_proba(frame), dtype=np.float64)

    def test_itself(self) -> None:
        """Predict the example that came with the model, if one did; raises whatever the model raises."""
        example: Rows | None = getattr(self._loaded, "example_rows", None)
        if example:
            self.predict(example)

    def _frame(self, rows: Rows) -> pd.DataFrame:
        if hasattr(self._loaded, "input_frame"):
            frame: pd.DataFrame = self._loaded.input_frame(rows)
            return frame
        frame = pd.DataFrame(rows) if self._columns is None else pd.DataFrame(rows, columns=self._columns)
        unknown = [name for name in frame if frame[name].dtype == object and frame[name].isna().all()]
        return frame.astype(dict.fromkeys(unknown, float)) if unknown else frame


def plain_values(values: Any) -> list[Any]:
    """A list, one element per row; rows of a two-dimensional answer become lists, of a frame maps."""
    if isinstance(values, pd.DataFrame):
        return list(values.to_dict("records"))
    if isinstance(values, pd.Series):
        return list(values.tolist())
    array = values if isinstance(values, np.ndarray) else _array(values)
    if array.dtype.kind in "mM" and array.ndim == 1:
        return list(pd.Series(array).tolist())  # NumPy would give nanoseconds as integers
    return list(array.tolist())


def _array(values: Sequence[Any]) -> np.ndarray[Any, Any]:
    if hasattr(values, "__array__"):
        return np.asarray(values)
    array = np.empty(len(values), dtype=object)  # or ["a", 1] would become two texts
    array[:] = list(values)
    return array
