"""The fitted model a search hands back: a reader of columns and a blend of one or more fitted members."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, ClusterMixin, RegressorMixin, is_clusterer
from sklearn.pipeline import Pipeline

from studio.automl.calibration import Calibration
from studio.automl.columns import Cells, ColumnReader
from studio.automl.preprocessing import Encoder, NoColumns
from studio.automl.series_reader import SeriesCells, SeriesReader
from studio.automl.targets import LogTarget

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Member:
    """One fitted estimator with the encoder it was fitted behind.

    Attributes:
        present: Codes of the classes its training rows held, empty for regression; the others get probability
            0.
        n_classes: Number of all classes, 0 for regression.
        target: What turns the estimator's outputs into numbers where it was fitted on logarithms, None elsewhere.
    """

    encoder: Encoder | NoColumns
    estimator: Any
    present: npt.NDArray[np.int64]
    n_classes: int
    target: LogTarget | None = None

    def predict_cells(self, cells: Cells) -> FloatArray:
        """Probabilities of shape (n_rows, n_classes), or numbers of shape (n_rows,)."""
        return self.predict_matrix(self.encoder.transform(cells))

    def predict_matrix(self, X: FloatArray) -> FloatArray:
        """The same for rows that are encoded."""
        if not self.n_classes:
            numbers = np.asarray(self.estimator.predict(X), dtype=np.float64)
            return numbers if self.target is None else self.target.backward(numbers)
        outputs = np.zeros((len(X), self.n_classes))
        if len(self.present) == 1:
            outputs[:, self.present] = 1.0
            return outputs
        outputs[:, self.present] = self.estimator.predict_proba(X)
        return outputs


class _Blend(BaseEstimator):  # type: ignore[misc]
    """Weighted mean of the members' outputs; comes fitted."""

    def __init__(self, members: Sequence[Member], weights: Sequence[float]) -> None:
        self.members = members
        self.weights = weights

    def fit(self, X: Cells, y: Any = None) -> "_Blend":
        """Nothing: the members were fitted by the search, and scikit-learn asks for the method."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def blend(self, X: Cells) -> FloatArray:
        """Outputs of shape (n_rows, n_classes) or (n_rows,)."""
        outputs = [weight * member.predict_cells(X) for member, weight in zip(self.members, self.weights, strict=True)]
        total: FloatArray = np.sum(outputs, axis=0)
        return total


class BlendClassifier(ClassifierMixin, _Blend):  # type: ignore[misc]
    """A blend whose classes have the target's own type."""

    calibration = Calibration()  # of models that were stored before there was any

    def __init__(
        self,
        members: Sequence[Member],
        weights: Sequence[float],
        classes: npt.NDArray[Any],
        calibration: Calibration = calibration,
    ) -> None:
        super().__init__(members, weights)
        self.classes = classes
        self.classes_ = classes
        self.calibration = calibration

    def predict_proba(self, X: Cells) -> FloatArray:
        """Probabilities of shape (n_rows, n_classes), columns as in ``classes_``."""
        return self.calibration.adjust(self.blend(X))

    def predict(self, X: Cells) -> npt.NDArray[Any]:
        """The most probable class of each row, or the one the metric is served by best."""
        found: npt.NDArray[Any] = self.classes_[self.calibration.decide(self.predict_proba(X))]
        return found


class BlendRegressor(RegressorMixin, _Blend):  # type: ignore[misc]
    """A blend of numbers."""

    def predict(self, X: Cells) -> FloatArray:
        """Numbers of shape (n_rows,)."""
        return self.blend(X)


class BlendForecaster(RegressorMixin, _Blend):  # type: ignore[misc]
    """A blend of distances from the seasonal naive forecast."""

    def predict(self, X: SeriesCells) -> FloatArray:
        """Forecasts of shape (n_rows,)."""
        return X.forecast(self.blend(X))


class BlendClusterer(ClusterMixin, _Blend):  # type: ignore[misc]
    """One member that finds clusters; it keeps the name of a blend, as every model has."""

    def predict(self, X: Cells) -> npt.NDArray[np.int64]:
        """Cluster of each row, -1 for none, of shape (n_rows,)."""
        return self.blend(X).round().astype(np.int64)


Blend = BlendClassifier | BlendRegressor | BlendForecaster | BlendClusterer


def build_pipeline(
    reader: ColumnReader | SeriesReader,
    members: Sequence[Member],
    weights: Sequence[float],
    classes: npt.NDArray[Any] | None,
    calibration: Calibration | None = None,
) -> Pipeline:
    """One scikit-learn estimator that takes data frames."""
    model: Any
    if isinstance(reader, SeriesReader):
        model = BlendForecaster(list(members), list(weights))
    elif isinstance(members[0].estimator, BaseEstimator) and is_clusterer(members[0].estimator):
        model = BlendClusterer(list(members), list(weights))
    elif classes is None:
        model = BlendRegressor(list(members), list(weights))
    else:
        model = BlendClassifier(list(members), list(weights), classes, calibration or Calibration())
    return Pipeline([("columns", reader), ("model", model)])
