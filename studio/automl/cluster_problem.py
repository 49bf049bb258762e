"""A table without a target made ready for trials that find clusters in it."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from studio.automl.calibration import Calibration
from studio.automl.columns import ColumnReader
from studio.automl.division import divide_rows, read_order
from studio.automl.plan import Plan
from studio.automl.preprocessing import Encoder, choose_encoding
from studio.automl.problem import MIN_ROWS, FloatArray, IntArray, Problem, check_columns, choose_features
from studio.automl.result import SplitPrediction
from studio.errors import TooFewRows
from studio.evaluation.cluster_scores import score_clusters
from studio.evaluation.metrics import primary_metric


@dataclass(frozen=True, kw_only=True)
class ClusterProblem(Problem):
    """A clustering problem: candidates are compared on rows they were not fitted on.

    Attributes:
        points: All rows in the space clusters are looked for in, of shape (n_rows, n_columns).
    """

    points: FloatArray

    def score(self, outputs: FloatArray, rows: IntArray) -> float | None:
        """The metric of the clusters of some rows; None where there are fewer than two."""
        seed = self.plan.validation.random_state
        labels = outputs.astype(np.int64)
        return score_clusters(self.points[rows], labels, random_state=seed, names=(self.metric,))[self.metric]

    def predictions(
        self, rows: IntArray, outputs: FloatArray, calibration: Calibration | None = None
    ) -> SplitPrediction:
        """Clusters of some rows; nobody knows the true ones."""
        return SplitPrediction(self.rows[rows], np.full(len(rows), np.nan), outputs, None)

    def evaluate(self, split: SplitPrediction) -> dict[str, float | None]:
        """Every score of a split's clusters."""
        rows = np.searchsorted(self.rows, split.row_index)
        seed = self.plan.validation.random_state
        return score_clusters(self.points[rows], split.y_pred.astype(np.int64), random_state=seed)

    def intervals(self, split: SplitPrediction) -> dict[str, tuple[float, float]]:
        """None: rows drawn twice would be clusters of their own."""
        return {}


def prepare_clusters(frame: pd.DataFrame, plan: Plan) -> ClusterProblem:
    """Read the columns and divide the rows.

    Raises:
        InvalidInput: As ``check_columns``, and where there are too few rows, or all are the same.
    """
    check_columns(frame, plan)
    if len(frame) < 2 * MIN_ROWS:
        raise TooFewRows(f"The table has {len(frame)} rows; at least {2 * MIN_ROWS} are needed.", rows=len(frame))
    settings = plan.preprocessing
    wanted = "onehot" if settings.encode_categories == "target" else settings.encode_categories
    plan = replace(plan, ensemble=False, preprocessing=replace(settings, encode_categories=wanted))
    features = choose_features(frame, plan)
    kinds = {name: plan.column_types.get(name, "category") for name in features}
    reader = ColumnReader(kinds, plan.written_of(kinds)).fit(frame)
    cells = reader.transform(frame)
    y = np.zeros(len(frame))
    split = divide_rows(frame, plan, y, None, cells, read_order(frame, plan))[0]
    encoding = choose_encoding(plan.preprocessing, categories="onehot", accepts_missing=False, scale=True)
    encoder = Encoder(encoding, plan.validation.random_state)
    encoder.fit_transform(cells.take(split.train), y[split.train], is_classification=False)
    points = encoder.transform(cells)
    if len(np.unique(points[split.train], axis=0)) < 2:
        raise TooFewRows("All rows are the same: there are no clusters to find.", rows=len(frame))
    metric = plan.metric or primary_metric("clustering")
    notes = (
        [] if wanted == settings.encode_categories else [("warning", "there is no target to encode by: onehot is used")]
    )
    return ClusterProblem(
        plan=plan,
        metric=metric,
        features=features,
        reader=reader,
        cells=cells,
        rows=np.arange(len(frame)),
        y=y,
        classes=None,
        labels=None,
        split=split,
        folds=[(split.train, split.validation)],
        scored=split.validation,
        has_class_weights=False,
        sample=frame.iloc[:1][list(features)],
        notes=tuple(notes),
        points=points,
    )
