"""Series made ready for trials: every row is a step to forecast, seen from an origin some steps before it.

What is learned is the distance from the seasonal naive forecast, in units of the series' naive error: a regression
like any other. The rows of a part are seen from origins a horizon apart, as forecasts are made; training rows are
seen from other origins besides.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from studio.automl.calibration import Calibration
from studio.automl.columns import ColumnReader
from studio.automl.plan import Plan
from studio.automl.problem import FloatArray, IntArray, Problem, check_table, choose_features
from studio.automl.result import SplitPrediction
from studio.automl.series_features import SeriesShape, choose_shape
from studio.automl.series_panel import Panel
from studio.automl.series_reader import SeriesCells, SeriesColumns, SeriesReader
from studio.automl.series_rows import SeriesRows, read_rows
from studio.automl.series_splits import Cuts, SeriesSplit, cut_steps
from studio.errors import TooFewRows
from studio.evaluation.metrics import primary_metric, score_forecasts

TASK = "time_series"
ENOUGH_ROWS = 20_000  # training rows from which on each is seen from one origin alone
MOST_COPIES = 4
BASELINES = 2  # candidates that every comparison holds beside those the plan asks for


@dataclass(frozen=True, kw_only=True)
class SeriesProblem(Problem):
    """A time series problem, searched as a regression.

    Attributes:
        truth: The target of each row, of shape (n_rows,).
        naive_errors: Naive error of each row's series, NaN where it is undefined.
        times: Time stamp of each row, in UTC.
    """

    truth: FloatArray
    naive_errors: FloatArray
    times: npt.NDArray[np.datetime64]

    cells: SeriesCells

    @property
    def n_used(self) -> int:
        """Rows of the table that are used."""
        return len(np.unique(self.rows))

    @property
    def optional_columns(self) -> tuple[str, ...]:
        """The target: what is known of it is history."""
        return (self.plan.target,)

    def score(self, outputs: FloatArray, rows: IntArray) -> float | None:
        """The metric of learned numbers for some rows."""
        cells = self.cells.take(rows)
        predicted = cells.forecast(outputs)
        return score_forecasts(self.metric, self.truth[rows], predicted, len(self.features), self.naive_errors[rows])

    def predictions(
        self, rows: IntArray, outputs: FloatArray, calibration: Calibration | None = None
    ) -> SplitPrediction:
        """Forecasts of some rows, as they are evaluated and kept."""
        forecasts = self.cells.take(rows).forecast(outputs)
        return SplitPrediction(
            self.rows[rows],
            self.truth[rows],
            forecasts,
            None,
            naive_errors=self.naive_errors[rows],
            times=self.times[rows],
        )

    @property
    def is_rolling(self) -> bool:
        """True: its folds follow each other in time."""
        return True

    @property
    def evaluated_as(self) -> str:
        """The task whose metrics are computed."""
        return TASK

    def _circumstances(self, split: SplitPrediction) -> dict[str, Any]:
        return {"n_features": len(self.features), "naive_error": split.naive_errors}


@dataclass(frozen=True)
class _Views:
    """Rows seen from origins: positions within the series' rows, steps ahead, and which are copies."""

    rows: IntArray
    ahead: IntArray
    is_copy: npt.NDArray[np.bool_]


def prepare_series(frame: pd.DataFrame, plan: Plan) -> SeriesProblem:
    """Read the series, divide their time and tell every row by what was known at its origin.

    Raises:
        InvalidInput: As ``check_table`` and ``read_rows``, and where there are too few steps.
    """
    check_table(frame, plan)
    found = read_rows(frame, plan)
    cuts = cut_steps(plan.validation, found.steps, plan.horizon or 1)
    panel = found.panel
    views = _see(found, panel, cuts, plan)
    series, steps = found.series[views.rows], found.steps[views.rows]
    used = frame.iloc[found.rows]
    columns = _columns_of(frame, plan)
    others = ColumnReader(columns.others, plan.written_of(columns.others)).fit(used)
    shape = _learn_shape(found, panel, views, cuts, plan.horizon or 1)
    reader = SeriesReader(columns, found.grid, found.names, shape, panel, others)
    times = found.times.iloc[views.rows]
    cells = reader.read(panel, series, steps, views.ahead, times, others.transform(used).take(views.rows))
    split, folds = _divide(views, steps, cuts)
    truth = found.values[views.rows]
    scored = np.sort(np.concatenate([validation for _, validation in folds]))
    errors = shape.naive_errors[series]
    metric, notes = _choose_metric(plan, errors[scored])
    return SeriesProblem(
        plan=_as_regression(plan),
        metric=metric,
        features=columns.names,
        reader=reader,
        cells=cells,
        rows=found.rows[views.rows],
        y=(truth - cells.base) / cells.unit,
        classes=None,
        labels=None,
        split=split,
        folds=folds,
        scored=scored,
        has_class_weights=False,
        sample=used.iloc[-1:][list(columns.names)],
        notes=(*found.notes, *notes, *_describe(columns, shape.season, len(folds))),
        truth=truth,
        naive_errors=errors,
        times=times.dt.tz_localize(None).to_numpy(dtype="datetime64[us]"),
    )


def _as_regression(plan: Plan) -> Plan:
    trials = None if plan.max_trials is None else plan.max_trials + BASELINES
    return replace(plan, task="regression", max_trials=trials)


def _learn_shape(found: SeriesRows, panel: Panel, views: _Views, cuts: Cuts, horizon: int) -> SeriesShape:
    trains = found.steps[views.rows] < cuts.validation
    rows = views.rows[trains]
    training = (found.series[rows], found.steps[rows], views.ahead[trains])
    return choose_shape(panel, found.grid.seasons, horizon, training, cuts.validation)


def _columns_of(frame: pd.DataFrame, plan: Plan) -> SeriesColumns:
    assert plan.time_column is not None
    apart = {plan.time_column, plan.validation.group_column, plan.target}
    others = {
        name: plan.column_types.get(name, "category") for name in choose_features(frame, plan) if name not in apart
    }
    return SeriesColumns(plan.time_column, plan.validation.group_column, plan.target, others)


def _see(found: SeriesRows, panel: Panel, cuts: Cuts, plan: Plan) -> _Views:
    """Every row from its origin, and the rows before the test from a few others, drawn by the seed."""
    horizon = plan.horizon or 1
    own = cuts.ahead(found.steps, horizon)
    rows, ahead = [np.arange(len(own))], [own]
    early = np.flatnonzero(found.steps < cuts.test)
    n_copies = min(MOST_COPIES, horizon - 1, -(-ENOUGH_ROWS // max(1, len(early))) - 1)
    rng = np.random.default_rng(plan.validation.random_state)
    for shift in 1 + rng.permutation(horizon - 1)[: max(0, n_copies)]:
        rows.append(early)
        ahead.append(1 + (own[early] - 1 + shift) % horizon)
    is_copy = np.arange(sum(map(len, rows))) >= len(own)
    every, far = np.concatenate(rows), np.concatenate(ahead)
    # Before the first known value there is nothing to learn from; what validates and tests stays.
    has_past = ~np.isnan(panel.at(found.series[every], found.steps[every] - far, latest=True))
    kept = has_past | ((found.steps[every] >= cuts.validation) & ~is_copy)
    if not (has_past & (found.steps[every] < cuts.validation)).any():
        raise TooFewRows(f"No training row has a value {int(own.min())} or more steps before it.")
    return _Views(every[kept], far[kept], is_copy[kept])


def _divide(views: _Views, steps: IntArray, cuts: Cuts) -> tuple[SeriesSplit, list[tuple[IntArray, IntArray]]]:
    own = ~views.is_copy
    split = SeriesSplit(
        train=np.flatnonzero(own & (steps < cuts.validation)),
        validation=np.flatnonzero(own & (steps >= cuts.validation) & (steps < cuts.test)),
        test=np.flatnonzero(own & (steps >= cuts.test)),
        copies=np.flatnonzero(views.is_copy),
    )
    folds = []
    for fold in range(len(cuts.folds)):
        start, end = cuts.window(fold)
        folds.append((np.flatnonzero(steps < start), np.flatnonzero(own & (steps >= start) & (steps < end))))
    return split, folds


def _choose_metric(plan: Plan, errors: FloatArray) -> tuple[str, list[tuple[str, str]]]:
    wanted = plan.metric or primary_metric(TASK)
    if wanted == "mase" and not (errors > 0).any():
        return "mae", [("warning", "the training steps never change, so mase is undefined; mae is used instead")]
    return wanted, []


def _describe(columns: SeriesColumns, season: int, n_folds: int) -> list[tuple[str, str]]:
    repeats = f"a season of {season} steps" if season > 1 else "no season"
    notes = [
        ("info", f"{repeats} was found in the training steps; validated from a rolling origin in {n_folds} windows")
    ]
    if columns.others:
        names = ", ".join(columns.others)
        text = (
            f"taken as known for the steps that are forecast: {names}; feature_columns can leave out what will not be"
        )
        notes.append(("info", text))
    return notes
