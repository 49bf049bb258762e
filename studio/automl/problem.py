"""A table and a plan made ready for trials; refuses what cannot be trained on."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from studio.automl.calibration import Calibration
from studio.automl.columns import Cells, ColumnReader, has_text, read_numbers
from studio.automl.division import divide_rows, read_order
from studio.automl.findings import name_cut, name_rare, name_silent, name_twins, name_untimed
from studio.automl.plan import Plan
from studio.automl.preprocessing import telling_columns
from studio.automl.result import SplitPrediction
from studio.automl.splits import Folds, Split
from studio.errors import (
    ConfigIncomplete,
    TargetInFeatures,
    TooFewRows,
    UnknownColumn,
    UnknownMetric,
    UntrainableTarget,
)
from studio.evaluation.curves import positive_label_of
from studio.evaluation.metrics import (
    bootstrap_intervals,
    compute_metrics,
    metric_names,
    primary_metric,
    score_codes,
    score_numbers,
)

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MIN_ROWS = 5
MAX_CLASSES = 1000
WEIGHTED_METRICS = frozenset({"f1_score", "balanced_accuracy", "mcc", "recall"})
RARE_SHARE = 0.25  # share of the rarest class under which "auto" weighs classes for such a metric


@dataclass(frozen=True)
class Problem:
    """What every trial works on; made once, then shared with the processes that fit.

    Attributes:
        features: Input columns in the model's order.
        reader: Reads them, as the pipeline's first step does: a ColumnReader, or the like of it with
            ``column_types``.
        rows: Positions in the given table of the rows that are used; all other positions here count within
            them.
        y: Class codes or numbers of shape (n_rows,).
        classes: Classes in the target's own type, by code; None for regression.
        labels: The same as strings.
        folds: Training and validation rows of each fit of a trial.
        scored: Rows that are in one of the validation parts, sorted.
        has_class_weights: Whether rare classes weigh more.
        sample: One row as a caller would send it.
        notes: What a reader of the run's log should know of the table: level and text of each.
        repeats: The folds of a small table drawn anew, each time over the same rows.
        is_hopeless: Whether no feature tells the training rows apart.
    """

    plan: Plan
    metric: str
    features: tuple[str, ...]
    reader: Any
    cells: Cells
    rows: IntArray
    y: npt.NDArray[Any]
    classes: npt.NDArray[Any] | None
    labels: tuple[str, ...] | None
    split: Split
    folds: Folds
    scored: IntArray
    has_class_weights: bool
    sample: pd.DataFrame
    notes: tuple[tuple[str, str], ...] = ()
    repeats: tuple[Folds, ...] = ()
    is_hopeless: bool = False

    @property
    def n_classes(self) -> int:
        """Number of classes, 0 for regression."""
        return 0 if self.classes is None else len(self.classes)

    @property
    def n_used(self) -> int:
        """Rows of the table that are used."""
        return len(self.rows)

    @property
    def evaluated_as(self) -> str:
        """The task whose metrics are computed."""
        return self.plan.task

    @property
    def is_rolling(self) -> bool:
        """Whether folds follow each other in time, so that all but a fit on all rows are out of date."""
        return False

    @property
    def n_split(self) -> int:
        """Rows of the table that train, validate or test."""
        is_used = np.zeros(int(self.rows.max()) + 1, dtype=bool)
        for part in (self.split.train, self.split.validation, self.split.test):
            is_used[self.rows[part]] = True
        return int(is_used.sum())

    @property
    def optional_columns(self) -> tuple[str, ...]:
        """Input columns that a caller may leave out."""
        return ()

    @functools.cached_property
    def positive_label(self) -> str | None:
        """The label that two-class metrics are about, None unless there are two; see positive_label_of."""
        if self.labels is None:
            return None
        counts = np.bincount(self.y[self.split.train].astype(np.int64), minlength=self.n_classes)
        return positive_label_of(self.labels, dict(zip(self.labels, counts.tolist(), strict=True)))

    def score(self, outputs: FloatArray, rows: IntArray) -> float | None:
        """The metric of outputs for some rows.

        Args:
            outputs: Probabilities of shape (n_rows, n_classes), or numbers of shape (n_rows,).
            rows: The rows they belong to.
        """
        true = self.y[rows]
        if self.classes is None:
            return score_numbers(self.metric, true, outputs, len(self.features))
        positive = 0 if self.labels is None or self.positive_label is None else self.labels.index(self.positive_label)
        found = score_codes(self.metric, true, outputs.argmax(axis=1), outputs, self.n_classes, positive)
        # One that never says the positive label has no precision: the worst it could have, to a search.
        return 0.0 if found is None and self.metric == "precision" else found

    def predictions(
        self, rows: IntArray, outputs: FloatArray, calibration: Calibration | None = None
    ) -> SplitPrediction:
        """A model's outputs for some rows, as they are evaluated and kept."""
        if self.labels is None:
            return SplitPrediction(self.rows[rows], self.y[rows], outputs, None)
        labels = np.array(self.labels, dtype=object)
        how = calibration or Calibration()
        proba = how.adjust(outputs)
        true, predicted = labels[self.y[rows]], labels[how.decide(proba)]
        return SplitPrediction(self.rows[rows], true, predicted, proba)

    def evaluate(self, split: SplitPrediction) -> dict[str, float | None]:
        """Every metric of the task on a split; None where undefined."""
        return compute_metrics(self.evaluated_as, split.y_true, split.y_pred, **self._circumstances(split))

    def intervals(self, split: SplitPrediction) -> dict[str, tuple[float, float]]:
        """Their bootstrap intervals, of those that are defined."""
        seed = self.plan.validation.random_state
        facts = self._circumstances(split)
        return bootstrap_intervals(self.evaluated_as, split.y_true, split.y_pred, **facts, random_state=seed)

    def _circumstances(self, split: SplitPrediction) -> dict[str, Any]:
        return {
            "proba": split.proba,
            "labels": None if self.labels is None else list(self.labels),
            "positive_label": self.positive_label,
            "n_features": len(self.features),
        }


def check_table(frame: pd.DataFrame, plan: Plan) -> None:
    """Refuse a table that the plan cannot be trained on, before any work is done.

    Raises:
        InvalidInput: As ``check_columns``.
        UntrainableTarget: The target is empty, constant, not a number (regression) or has too many classes.
        TooFewRows: There are not enough rows with a target to split.
    """
    check_columns(frame, plan)
    _read_target(frame[plan.target], plan)


def check_columns(frame: pd.DataFrame, plan: Plan) -> None:
    """Refuse a plan that does not fit the table's columns.

    Raises:
        UnknownColumn: A column of the plan is not in the table.
        TargetInFeatures: The target is one of the features.
        ConfigIncomplete: No feature is left.
        UnknownMetric: The metric is none of the task's.
    """
    settings = plan.validation
    names = [plan.target or None, *plan.features, plan.time_column, settings.time_column, settings.group_column]
    for name in names:
        if name is not None and name not in frame.columns:
            raise UnknownColumn(f"The table has no column {name!r}.", column=name)
    if plan.target in plan.features:
        raise TargetInFeatures(f"The target {plan.target!r} cannot be one of the features.")
    if not choose_features(frame, plan):
        raise ConfigIncomplete("No feature column is left beside the target.")
    if plan.metric is not None and plan.metric not in metric_names(plan.task):
        known = metric_names(plan.task)
        raise UnknownMetric(f"{plan.task} has no metric {plan.metric!r}; known are {', '.join(known)}.")


def check_target(column: "pd.Series[Any]", plan: Plan) -> None:
    """Refuse a target nothing can be learned of, from the target's column alone.

    Raises:
        UntrainableTarget: It is empty, constant, not a number (regression) or has too many classes.
        TooFewRows: There are not enough rows with a target to split.
    """
    _read_target(column, plan)


def choose_features(frame: pd.DataFrame, plan: Plan) -> tuple[str, ...]:
    """The input columns: the plan's, or all others with a type."""
    if plan.features:
        return tuple(dict.fromkeys(plan.features))
    apart = {plan.target, plan.validation.group_column}
    return tuple(name for name in frame.columns if name in plan.column_types and name not in apart)


def prepare_problem(frame: pd.DataFrame, plan: Plan) -> Problem:
    """Read the columns and divide the rows.

    Raises:
        InvalidInput: As ``check_table``, and where the split leaves a part without a row.
    """
    check_columns(frame, plan)
    features = choose_features(frame, plan)
    rows, y, classes = _read_target(frame[plan.target], plan)
    kinds = {name: plan.column_types.get(name, "category") for name in features}
    used = frame if len(rows) == len(frame) else frame.iloc[rows]
    reader = ColumnReader(kinds, plan.written_of(kinds)).fit(used)
    cells = reader.transform(used)
    times = read_order(used, plan)
    split, folds, repeats = divide_rows(used, plan, y, classes, cells, times)
    scored = np.sort(np.concatenate([validation for _, validation in folds]))
    n_without = len(frame) - len(rows)
    labels = None if classes is None else tuple(label_of(value) for value in classes)
    telling = telling_columns(cells.take(split.train))
    findings = (
        f"{n_without} rows without a target were left out" if n_without else "",
        name_untimed(times),
        name_cut(y, labels),
        name_silent(features, telling),
        name_rare(y, labels),
        name_twins(cells, y, split),
    )
    return Problem(
        plan=plan,
        metric=_choose_metric(plan, y[scored], classes),
        features=features,
        reader=reader,
        cells=cells,
        rows=rows,
        y=y,
        classes=classes,
        labels=labels,
        split=split,
        folds=folds,
        repeats=repeats,
        is_hopeless=not telling,
        scored=scored,
        has_class_weights=_wants_class_weights(plan, y, classes),
        sample=used.iloc[:1][list(features)],
        notes=tuple(("warning", text) for text in findings if text),
    )


def label_of(value: Any) -> str:
    """A class as evaluations name it: the string of the value as the model predicts it."""
    return str(value)


def _read_target(column: "pd.Series[Any]", plan: Plan) -> tuple[IntArray, npt.NDArray[Any], npt.NDArray[Any] | None]:
    """Rows that have a target, their classes' codes or numbers, and the classes."""
    if plan.task in ("regression", "time_series"):
        numbers = read_numbers(column)
        rows = np.flatnonzero(~np.isnan(numbers))
        _check_count(len(rows), column, "number")
        if np.ptp(numbers[rows]) == 0:
            raise _untrainable(plan, f"is {numbers[rows][0]:g} in every row; there is nothing to learn")
        return rows, numbers[rows], None
    rows = np.flatnonzero(column.notna().to_numpy() & has_text(column))
    _check_count(len(rows), column, "value")
    codes, classes = _class_codes(column.iloc[rows])
    if len(classes) < 2:
        raise _untrainable(plan, f"is {label_of(classes[0])!r} in every row; there is nothing to learn")
    if len(classes) > min(MAX_CLASSES, max(2, len(rows) // 2)):
        raise _untrainable(plan, f"has {len(classes)} different values in {len(rows)} rows; too many to be classes")
    return rows, codes, classes


def _untrainable(plan: Plan, reason: str) -> UntrainableTarget:
    return UntrainableTarget(f"The target {plan.target!r} {reason}.", column=plan.target)


def _check_count(n_rows: int, column: "pd.Series[Any]", kind: str) -> None:
    if len(column) and not n_rows:
        raise UntrainableTarget(f"The target {column.name!r} holds no {kind} in any row.", column=column.name)
    if n_rows < MIN_ROWS:
        raise TooFewRows(
            f"{n_rows} rows have a target; at least {MIN_ROWS} are needed to train, validate and test.",
            rows=n_rows,
        )


def _class_codes(column: "pd.Series[Any]") -> tuple[IntArray, npt.NDArray[Any]]:
    """Codes by the order of the classes, which keep their own type; floats that are whole become integers."""
    values = column.to_numpy(dtype=object)
    kinds = {type(value) for value in values}
    if len(kinds) > 1 and not all(issubclass(kind, int | float | np.number) for kind in kinds):
        values = np.array([str(value) for value in values], dtype=object)
    if all(isinstance(value, float | np.floating) and float(value).is_integer() for value in values):
        values = np.array([int(value) for value in values], dtype=object)
    codes, unique = pd.factorize(values, sort=True)
    classes = np.array(list(unique))
    if classes.dtype.kind in "US":
        classes = classes.astype(object)
    return codes.astype(np.int64), classes


def _choose_metric(plan: Plan, y: npt.NDArray[Any], classes: npt.NDArray[Any] | None) -> str:
    """The plan's metric, or one that is defined where the validation rows are all of one kind."""
    wanted = plan.metric or primary_metric(plan.task, None if classes is None else len(classes))
    if classes is not None and len(np.unique(y)) < 2 and wanted not in ("accuracy", "brier"):
        return "log_loss"
    if classes is None and wanted in ("r2", "adjusted_r2") and (len(y) < 2 or np.ptp(y) == 0):
        return "rmse"
    return wanted


def _wants_class_weights(plan: Plan, y: npt.NDArray[Any], classes: npt.NDArray[Any] | None) -> bool:
    if classes is None or plan.imbalance == "none":
        return False
    rarest = np.bincount(y, minlength=len(classes)).min() / len(y)
    return plan.imbalance == "class_weight" or (plan.metric in WEIGHTED_METRICS and bool(rarest < RARE_SHARE))


def column_types_of(problem: Problem) -> Mapping[str, str]:
    """Type of each input column as the model reads it."""
    return dict(problem.reader.column_types)
