"""A loaded model as a host asks it: rows from JSON in the types it was trained on."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from studio.backends.mlflow.model_files import ModelColumn

_WHOLE: Final = ("integer", "long")
_NUMBERS: Final = (*_WHOLE, "float", "double")


class HostedModel:
    """A loaded model that takes JSON rows.

    Attributes:
        classes_: Classes in the order of the probabilities; only where it has them.
        example_rows: Rows it is known to take; none where none came with it.
    """

    def __init__(self, model: Any, columns: Sequence[ModelColumn] | None, folder: Any = None) -> None:
        """
        Args:
            model: Has ``predict``; perhaps ``predict_proba`` and ``classes_``.
            columns: What it takes; None where nobody knows.
            folder: Whatever must live as long as the model does.
        """
        self._model, self._columns, self._folder = model, columns, folder
        self.example_rows: Sequence[Mapping[str, Any]] = ()
        if hasattr(model, "predict_proba") and hasattr(model, "classes_"):
            self.classes_: npt.NDArray[Any] = np.asarray(model.classes_)
            self.predict_proba = model.predict_proba

    @property
    def model(self) -> Any:
        """What was loaded."""
        return self._model

    @property
    def columns(self) -> Sequence[ModelColumn] | None:
        """What it takes; None where nobody knows."""
        return self._columns

    def predict(self, frame: pd.DataFrame) -> Any:
        """Predictions, one per row."""
        return self._model.predict(frame)

    def input_frame(self, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
        """Rows as the frame the model was fitted on: its columns in its order, of its types, gaps as NaN or NaT.

        Args:
            rows: Column -> value, from JSON; times are ISO 8601, without an offset in UTC. What a column cannot hold
                stays as it is.
        """
        if self._columns is None:
            return pd.DataFrame(rows)
        cells = {column.name: [row.get(column.name) for row in rows] for column in self._columns}
        return pd.DataFrame({column.name: _series(cells[column.name], column.type) for column in self._columns})


def _series(values: list[Any], kind: str) -> "pd.Series[Any]":
    has_gaps = any(value is None for value in values)
    try:
        if kind == "datetime":
            return pd.Series(pd.to_datetime(values, utc=True, format="ISO8601")).dt.tz_localize(None)
        if kind == "string":
            return pd.Series(values, dtype="str")
        if kind in _NUMBERS:
            return pd.Series(values, dtype="int64" if kind in _WHOLE and not has_gaps else "float64")
        if kind == "boolean" and not has_gaps:
            return pd.Series(values, dtype="bool")
    except (ValueError, TypeError, OverflowError):
        pass  # the model says what it makes of it
    return pd.Series(values, dtype=object)
