"""From rows of series to cells: the history a model keeps, and what a row to be forecast is told by it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

from studio.automl.columns import UNKNOWN, Cells, ColumnReader, FloatArray, read_dates, read_numbers, read_text
from studio.automl.series_features import SeriesShape, calendar_columns, lagged_columns, naive_forecasts
from studio.automl.series_panel import IntArray, Panel, make_panel
from studio.automl.series_steps import Steps, read_times
from studio.tabular.written import Readable


@dataclass(frozen=True, kw_only=True)
class SeriesCells(Cells):
    """Rows of series as numbers, and how a number that was learned becomes a forecast.

    Attributes:
        base: The seasonal naive forecast of each row, of shape (n_rows,).
        unit: What learned numbers are counted in, of shape (n_rows,), above 0.
    """

    base: FloatArray
    unit: FloatArray

    def take(self, rows: npt.NDArray[Any]) -> "SeriesCells":
        """The given rows, by position or mask."""
        return replace(
            self,
            values=self.values[rows],
            texts=tuple(text[rows] for text in self.texts),
            base=self.base[rows],
            unit=self.unit[rows],
        )

    def forecast(self, outputs: FloatArray) -> FloatArray:
        """The forecasts that learned numbers, of shape (n_rows,), stand for."""
        return self.base + self.unit * outputs


@dataclass(frozen=True)
class SeriesColumns:
    """Which column of a table is what.

    Attributes:
        time: Time stamps.
        series: Names of the series; None where there is one.
        target: Values; what a caller knows of them is history.
        others: Type of every other input column, known for the steps that are forecast.
    """

    time: str
    series: str | None
    target: str
    others: Mapping[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """All of them in the model's order."""
        series = () if self.series is None else (self.series,)
        return (self.time, *series, *self.others, self.target)

    @property
    def types(self) -> dict[str, str]:
        """Type of every one of them."""
        series = {} if self.series is None else {self.series: "category"}
        return {self.time: "datetime", **series, **self.others, self.target: "number"}


class SeriesReader(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Reads the rows a caller wants forecast, with the history they follow; comes fitted.

    A row is forecast from what is known before it: the history the model was made with, and the rows of the
    call whose target is given. After the last known step of its series it is as many steps ahead as it lies
    after it; what lies in the history is forecast one step ahead.

    Args:
        columns: Which column is what.
        steps: The grid of time.
        names: Names of the series by number; one None where there is no column of names.
        shape: What is known of the series.
        panel: Their history, of which the end is kept.
        others: Reads the other columns.
    """

    def __init__(
        self,
        columns: SeriesColumns,
        steps: Steps,
        names: Sequence[str | None],
        shape: SeriesShape,
        panel: Panel,
        others: ColumnReader,
    ) -> None:
        self.columns, self.steps, self.names, self.shape = columns, steps, names, shape
        self.panel, self.others = panel.tail(shape.lookback), others
        self.feature_names_in_ = np.array(columns.names, dtype=object)
        self.n_features_in_ = len(columns.names)

    @property
    def column_types(self) -> Mapping[str, str]:
        """Type of each input column, in the model's order."""
        return self.columns.types

    @property
    def written(self) -> Mapping[str, Readable] | None:
        """How those columns are written that have a way of their own, beside time, series and target."""
        return self.others.written

    def fit(self, X: pd.DataFrame, y: Any = None) -> "SeriesReader":
        """Nothing: the search made it, and scikit-learn asks for the method."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def transform(self, X: pd.DataFrame) -> SeriesCells:
        """Read the rows of a frame with the input columns, in any order; the target may be absent.

        Raises:
            ValueError: A row has no time stamp, or lies too far from all others.
        """
        times = read_times(X[self.columns.time])
        if times.isna().any():
            place = int(np.flatnonzero(times.isna().to_numpy())[0])
            raise ValueError(f"row {place} has no time stamp in {self.columns.time!r}")
        steps = self.steps.number(times)
        series, n_series = self._number_series(X)
        panel = self._history(X, series, steps, n_series)
        is_known = panel.lengths[series] > 0
        ends = np.where(is_known, panel.ends[series], steps - 1)
        ahead = np.where(steps > ends, steps - ends, 1)
        return self.read(panel, series, steps, ahead, times, self.others.transform(X))

    def read(
        self,
        panel: Panel,
        series: IntArray,
        steps: IntArray,
        ahead: IntArray,
        times: "pd.Series[Any]",
        others: Cells,
    ) -> SeriesCells:
        """Cells of rows: each is told by what is known ``ahead`` steps before it, the calendar and its columns.

        Args:
            panel: What is known.
            series: Number of each row's series.
            steps: Step of each row.
            ahead: How many steps after the last one that may be looked at, from 1.
            times: Time stamp of each row.
            others: The other columns of the same rows.
        """
        forecasts = naive_forecasts(panel, self.shape, series, steps, ahead)
        told = lagged_columns(panel, self.shape, series, steps, ahead, forecasts)
        dated = calendar_columns(read_dates(times), steps, self.shape.seasons)
        blocks = [*told, *dated]
        names = self.columns.names
        sources = [len(names) - 1] * len(told) + [0] * len(dated)
        n_own = len(blocks)
        if self.columns.series is not None:
            blocks.append(np.where(series < len(self.names), series, UNKNOWN).astype(np.float64))
            sources.append(1)
        first = len(names) - 1 - len(self.columns.others)
        n_series_cells = len(blocks) - n_own
        return SeriesCells(
            values=np.column_stack([*blocks, others.values]),
            texts=others.texts,
            is_category=np.concatenate([np.arange(len(blocks)) >= n_own, others.is_category]),
            sources=np.concatenate([np.array(sources, dtype=np.int64), others.sources + first]),
            text_sources=tuple(source + first for source in others.text_sources),
            n_codes=np.concatenate([[0] * n_own, [len(self.names)] * n_series_cells, others.n_codes]).astype(np.int64),
            n_kept=1,
            base=forecasts[0],
            unit=self.shape.scales_of(series),
        )

    def _number_series(self, X: pd.DataFrame) -> tuple[IntArray, int]:
        """Number of each row's series, and how many there are with those that are new."""
        if self.columns.series is None:
            return np.zeros(len(X), dtype=np.int64), 1
        numbers = {name: number for number, name in enumerate(self.names)}
        found = [numbers.setdefault(read_text(name), len(numbers)) for name in X[self.columns.series].tolist()]
        return np.array(found, dtype=np.int64), len(numbers)

    def _history(self, X: pd.DataFrame, series: IntArray, steps: IntArray, n_series: int) -> Panel:
        codes, known_steps, values = self.panel.known()
        if self.columns.target in X.columns:
            given = read_numbers(X[self.columns.target])
            is_given = ~np.isnan(given)
            codes = np.concatenate([codes, series[is_given]])
            known_steps = np.concatenate([known_steps, steps[is_given]])
            values = np.concatenate([values, given[is_given]])
            if not is_given.any() and n_series == self.panel.n_series:
                return self.panel
        return make_panel(codes, known_steps, values, n_series)
