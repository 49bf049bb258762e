"""Why a model says what it says of single rows: SHAP values, in the host of the model.

Models that were trained here are explained exactly where that is possible; of any other the values are sampled, from
its predictions alone. See ``studio.automl.shap_values`` and ``studio.automl.sampled_shap``.
"""

import time
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.pipeline import Pipeline

from studio.automl.columns import Cells
from studio.automl.pipeline import BlendClassifier, BlendClusterer, BlendForecaster, BlendRegressor
from studio.automl.sampled_shap import sample_shap
from studio.automl.series_reader import SeriesCells
from studio.automl.shap_values import BlendExplainer
from studio.backends.serving.called_model import plain_values
from studio.backends.serving.wire import Rows
from studio.errors import NotApplicable, Overloaded, UnknownClass

FloatArray = npt.NDArray[np.float64]

SAMPLED_ROWS = (5, 50)  # background rows that a row is compared with, where values are sampled
PREDICTIONS_PER_ROW = 2500  # roughly, for one sampled explanation
SEED = 0  # one for all rows: what is said of a row does not depend on its company


class Explainer(Protocol):
    """Values of a model's outputs.

    Attributes:
        explainer: See ``Explanations``.
        output: See ``Explanations``.
        names: The columns.
        labels: What the outputs are for; one output for the second of two classes; empty for a number.
    """

    explainer: str
    output: str
    names: list[str]
    labels: list[str]

    def explain(self, frame: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
        """Values of shape (n_rows, n_columns, n_outputs) and base values of shape (n_rows, n_outputs)."""


class RowExplainer:
    """Explains rows of one loaded model."""

    def __init__(self, loaded: Any, background: Rows) -> None:
        """
        Args:
            loaded: What the loader returned; with ``input_frame``, ``columns`` and ``model``.
            background: Rows it was made with.

        Raises:
            NotApplicable: It cannot be explained.
        """
        if loaded.columns is None:
            raise NotApplicable("The version has no signature that names its columns.")
        if not background:
            raise NotApplicable(
                "No rows were kept that a row could be compared with; log the model with an input example."
            )
        self._loaded = loaded
        frame = loaded.input_frame(background)
        made = _BlendValues(loaded.model, frame) if _is_blend(loaded.model) else _AnyValues(loaded, frame)
        self._explainer: Explainer = made

    def explain(self, rows: Rows, class_label: str | None, deadline: float) -> dict[str, Any]:
        """Explain rows.

        Args:
            rows: Column -> value.
            class_label: Class to explain; None for the one that is predicted.
            deadline: When the caller stops waiting, in seconds of the monotonic clock.

        Returns:
            ``Explanations`` as JSON.

        Raises:
            UnknownClass: The model has no such class.
            NotApplicable: The rows cannot be explained.
            Overloaded: There was not enough time.
            ValueError: The model's output is not finite.
        """
        labels = self._explainer.labels
        if class_label is not None and class_label not in labels:
            known = f"it has {', '.join(labels)}" if labels else "it has none"
            raise UnknownClass(f"The model has no class {class_label!r}; {known}.")
        frame = self._loaded.input_frame(rows)
        predictions = plain_values(self._loaded.predict(frame))
        found = []
        for place, prediction in enumerate(predictions):
            if time.monotonic() > deadline:
                raise Overloaded(f"{place} of {len(rows)} rows could be explained in time; ask for fewer at once.")
            values, base = self._explainer.explain(frame.iloc[place : place + 1])
            if not (np.isfinite(values).all() and np.isfinite(base).all()):
                raise ValueError("the model's output is not a finite number")
            label = class_label or (str(prediction) if labels else None)
            found.append({"prediction": prediction, "class_label": label, **self._pick(values[0], base[0], label)})
        return {"explainer": self._explainer.explainer, "output": self._explainer.output, "rows": found}

    def _pick(self, values: FloatArray, base: FloatArray, label: str | None) -> Mapping[str, Any]:
        """The values for one label."""
        labels = self._explainer.labels
        if label is None:
            one, start = values[:, 0], base[0]
        elif label not in labels:
            raise NotApplicable(f"None of the rows that rows are compared with is in {label}.")
        elif values.shape[1] == len(labels):
            place = labels.index(label)
            one, start = values[:, place], base[place]
        elif label == labels[1]:
            one, start = values[:, 0], base[0]
        else:  # what speaks for the second of two classes speaks against the first
            one, start = -values[:, 0], (1.0 if self._explainer.output == "probability" else 0.0) - base[0]
        return {
            "base_value": float(start),
            "values": dict(zip(self._explainer.names, (one + 0.0).tolist(), strict=True)),
        }


class _BlendValues:
    """Values of a model that was trained here."""

    def __init__(self, pipeline: Pipeline, background: pd.DataFrame) -> None:
        self._reader, blend = pipeline[0], pipeline[-1]
        self.names = list(self._reader.column_types)
        n_columns = len(self.names)
        self._explainer = BlendExplainer(
            blend, self._reader.transform(background), n_columns, n_sampled=_n_sampled(n_columns), seed=SEED
        )
        self.explainer, self.output = self._explainer.explainer, self._explainer.output
        self.labels = _texts(blend.classes_) if isinstance(blend, BlendClassifier) else []
        if isinstance(blend, BlendClusterer):
            self.labels = _texts(self._explainer.clusters)
        if isinstance(blend, BlendForecaster):
            self.output = "prediction"

    def explain(self, frame: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
        """See Explainer."""
        cells = self._reader.transform(frame)
        found = self._explainer.explain(cells, np.zeros(len(frame), dtype=np.int64))
        base = np.broadcast_to(found.base, (len(frame), found.values.shape[2]))
        if not isinstance(cells, SeriesCells):
            return found.values, base
        unit = cells.unit[:, None]  # from the distance to the naive forecast to the forecast
        return found.values * unit[:, :, None], cells.base[:, None] + unit * base


class _AnyValues:
    """Values of any model that gives a number or probabilities."""

    explainer = "permutation"

    def __init__(self, loaded: Any, background: pd.DataFrame) -> None:
        self._loaded = loaded
        self.names = [str(name) for name in background.columns]
        self._background = background.head(_n_sampled(background.shape[1]))
        has_classes = hasattr(loaded, "predict_proba") and hasattr(loaded, "classes_")
        self.labels = _texts(loaded.classes_) if has_classes else []
        self.output = "probability" if has_classes else "prediction"

    def explain(self, frame: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
        """See Explainer."""
        table = pd.concat([self._background, frame], ignore_index=True)
        n_far, n_columns = len(self._background), table.shape[1]

        def cells_of(start: int, end: int) -> Cells:
            """Cells that hold the place of their value in the table, so that values of any type can be mixed."""
            places = np.repeat(np.arange(start, end, dtype=np.float64)[:, None], n_columns, axis=1)
            nothing = np.zeros(n_columns, dtype=np.int64)
            return Cells(places, (), nothing.astype(bool), np.arange(n_columns), (), nothing)

        def predict(cells: Cells) -> FloatArray:
            places = cells.values.astype(np.int64)
            columns = {name: table[name].array.take(places[:, place]) for place, name in enumerate(table.columns)}
            return self._outputs(pd.DataFrame(columns))

        seeds = np.full(len(frame), SEED)
        near, far = cells_of(n_far, len(table)), cells_of(0, n_far)
        values, base = sample_shap(predict, near, far, np.arange(n_columns), n_columns, seeds=seeds)
        return values, np.broadcast_to(base, (len(frame), values.shape[2]))

    def _outputs(self, frame: pd.DataFrame) -> FloatArray:
        if self.labels:
            shares = np.asarray(self._loaded.predict_proba(frame), dtype=np.float64)
            return shares[:, 1:] if len(self.labels) == 2 else shares
        numbers = np.asarray(plain_values(self._loaded.predict(frame)))
        if numbers.shape != (len(frame),) or numbers.dtype.kind not in "biuf":
            raise NotApplicable("The model gives neither one number per row nor the probabilities of its classes.")
        return numbers.astype(np.float64)[:, None]


def _is_blend(model: Any) -> bool:
    kinds = (BlendClassifier, BlendRegressor, BlendForecaster, BlendClusterer)
    return isinstance(model, Pipeline) and isinstance(model[-1], kinds)


def _texts(labels: Iterable[Any]) -> list[str]:
    return [str(label) for label in plain_values(labels)]


def _n_sampled(n_columns: int) -> int:
    least, most = SAMPLED_ROWS
    return max(least, min(most, PREDICTIONS_PER_ROW // (2 * max(1, n_columns - 1))))
