"""Reads the rows of a table as series on one grid of time; refuses what is none, in words."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from studio.automl.columns import FloatArray, read_numbers, read_text
from studio.automl.plan import Plan
from studio.automl.series_panel import IntArray, Panel, make_panel
from studio.automl.series_splits import cut_steps
from studio.automl.series_steps import BadFrequency, Steps, make_steps, read_frequency, read_times
from studio.errors import ConfigIncomplete, TooFewRows, UnknownColumn, UntrainableTarget, UnusableSeries

MIN_ROWS = 8
HINT_COLUMNS = 50  # tried to find the one that tells series apart
Note = tuple[str, str]


@dataclass(frozen=True)
class SeriesRows:
    """The rows that can be forecast, in the table's order.

    Attributes:
        rows: Their positions in the table.
        series: Number of each one's series.
        steps: Step of each.
        times: Time stamp of each.
        values: The target of each.
        names: Of the series, by number.
        grid: The steps.
        notes: What was left out or found on the way.
    """

    rows: IntArray
    series: IntArray
    steps: IntArray
    times: "pd.Series[Any]"
    values: FloatArray
    names: Sequence[str | None]
    grid: Steps
    notes: tuple[Note, ...]

    @property
    def panel(self) -> Panel:
        """Everything that is known."""
        return make_panel(self.series, self.steps, self.values, len(self.names))


def read_rows(frame: pd.DataFrame, plan: Plan) -> SeriesRows:
    """Read time stamps, series and target of a table.

    Args:
        frame: Has at least those columns.

    Raises:
        ConfigIncomplete: The plan lacks the time column or the horizon.
        UnknownColumn: The table lacks one of the columns.
        UntrainableTarget: The target holds no number, or one alone.
        UnusableSeries: The time stamps cannot be read or follow no regular step, or two rows are of one step.
        TooFewRows: Fewer than eight rows have all that is needed.
    """
    keys, rows, notes = _read_keys(frame, plan)
    _refuse_untrainable(keys, plan)
    series, known = pd.factorize(keys["name"], sort=True)
    grid = _find_grid(keys, series, plan)
    steps = grid.number(keys["time"])
    _refuse_shared_steps(frame, keys, np.column_stack([series, steps]), rows, grid, plan)
    off = 1 - float(grid.is_on_grid(keys["time"]).mean())
    if off:
        text = f"{off:.1%} of the time stamps lie between two steps of {grid.frequency} and count as the earlier"
        notes.append(("warning", text))
    names = [None] if plan.validation.group_column is None else [str(name) for name in known]
    found = SeriesRows(
        rows, series.astype(np.int64), steps, keys["time"].reset_index(drop=True), keys["value"].to_numpy(),
        names, grid, tuple(notes),
    )  # fmt: skip
    return _with_summary(found)


def check_series(frame: pd.DataFrame, plan: Plan) -> None:
    """Refuse series that no forecast can be learned of; raises as read_rows and cut_steps do.

    Args:
        frame: Target, time stamps and, where there is one, the column that names the series.
    """
    found = read_rows(frame, plan)
    cut_steps(plan.validation, found.steps, plan.horizon or 1)


def _read_keys(frame: pd.DataFrame, plan: Plan) -> tuple[pd.DataFrame, IntArray, list[Note]]:
    """Time, name and value of every row that has all of them, where it stands, and what was left out.

    One series is called by the empty text.
    """
    _refuse_missing_keys(frame, plan)
    group = plan.validation.group_column
    names = [""] * len(frame) if group is None else [read_text(name) for name in frame[group].tolist()]
    keys = pd.DataFrame(
        {"time": read_times(frame[plan.time_column]).to_numpy(), "name": pd.Series(names, dtype=object)}
    )
    keys["time"] = pd.to_datetime(keys["time"], utc=True)
    keys["value"] = read_numbers(frame[plan.target])
    if keys["time"].isna().all():
        raise UnusableSeries(
            f"The time column {plan.time_column!r} holds no time stamp that can be read, such as 2026-05-03 or "
            "2026-05-03T07:00:00Z.",
            column=plan.time_column,
        )
    is_whole = keys[["time", "name"]].notna().all(axis=1).to_numpy()
    is_used = is_whole & keys["value"].notna().to_numpy()
    notes = _note_gaps(len(frame), int(is_whole.sum()), int(is_used.sum()))
    is_repeat = keys.duplicated().to_numpy() & is_used
    if is_repeat.any():
        text = f"{int(is_repeat.sum())} rows that repeat another's series, time and target were left out"
        notes.append(("warning", text))
    rows = np.flatnonzero(is_used & ~is_repeat)
    return keys.iloc[rows], rows, notes


def _refuse_missing_keys(frame: pd.DataFrame, plan: Plan) -> None:
    for value, key in ((plan.time_column, "time_column"), (plan.horizon, "horizon")):
        if value is None:
            raise ConfigIncomplete(f"A time series model needs {key}.")
    if plan.frequency is not None:
        try:
            read_frequency(plan.frequency)
        except BadFrequency as error:
            raise UnusableSeries(f"The frequency cannot be used: {error}.") from error
    for name in (plan.target, plan.time_column, plan.validation.group_column):
        if name is not None and name not in frame.columns:
            raise UnknownColumn(f"The table has no column {name!r}.", column=name)


def _refuse_untrainable(keys: pd.DataFrame, plan: Plan) -> None:
    if keys["value"].empty:
        raise UntrainableTarget(f"The target {plan.target!r} holds no number in any row.", column=plan.target)
    if len(keys) < MIN_ROWS:
        text = f"{len(keys)} rows have a time stamp and a target; at least {MIN_ROWS} are needed."
        raise TooFewRows(text, rows=len(keys))
    if np.ptp(keys["value"].to_numpy()) == 0:
        text = f"The target {plan.target!r} is {keys['value'].iloc[0]:g} in every row; there is nothing to learn."
        raise UntrainableTarget(text, column=plan.target)


def _note_gaps(n_rows: int, n_whole: int, n_used: int) -> list[Note]:
    notes = []
    if n_whole < n_rows:
        notes.append(("warning", f"{n_rows - n_whole} rows without a time stamp, or without a series, were left out"))
    if n_used < n_whole:
        notes.append(("warning", f"{n_whole - n_used} rows without a target were left out"))
    return notes


def _find_grid(keys: pd.DataFrame, series: IntArray, plan: Plan) -> Steps:
    """The grid of the longest series, which begins with the first time stamp of all."""
    longest = int(np.bincount(series).argmax())
    try:
        steps = make_steps(keys["time"][series == longest], plan.frequency)
    except BadFrequency as error:
        raise UnusableSeries(f"The time column {plan.time_column!r} cannot be used: {error}.") from error
    shift = int(steps.number(keys["time"]).min()) * steps.multiple
    return Steps(steps.frequency, steps.unit, steps.multiple, steps.first + shift)


def _refuse_shared_steps(
    frame: pd.DataFrame, keys: pd.DataFrame, places: IntArray, rows: IntArray, grid: Steps, plan: Plan
) -> None:
    is_shared = pd.DataFrame(places).duplicated(keep=False).to_numpy()
    if not is_shared.any():
        return
    first = keys[is_shared].iloc[0]
    moment = f"{first['time']:%Y-%m-%dT%H:%M:%SZ}"
    of = f" of series {first['name']!r}" if plan.validation.group_column else ""
    is_same = ((keys["time"] == first["time"]) & (keys["name"] == first["name"])).sum()
    if is_same < 2:
        raise UnusableSeries(
            f"Several rows{of} fall into one step of {grid.frequency}, such as that of {moment}; "
            "bring them to one row per step, or set a finer frequency.",
            column=plan.time_column,
        )
    name = _find_series_column(frame.iloc[rows], keys, plan)
    hint = f" ({name!r} does)" if name is not None else ""
    raise UnusableSeries(
        f"The time stamp {moment}{of} stands in {is_same} rows; a series has one row per step. Name the column that "
        f"tells series apart{hint} with validation.group_column, or bring the rows to one per step.",
        column=plan.time_column,
    )


def _find_series_column(used: pd.DataFrame, keys: pd.DataFrame, plan: Plan) -> Hashable | None:
    """A column whose values and the time stamps together name every row once, the one of the fewest values."""
    apart = {plan.target, plan.time_column, plan.validation.group_column}
    found: list[tuple[int, str]] = []
    for name in [name for name in used.columns if name not in apart][:HINT_COLUMNS]:
        texts = pd.Series([read_text(value) for value in used[name].tolist()], dtype=object)
        n_values = texts.nunique()
        times = keys["time"].reset_index(drop=True)
        if 1 < n_values <= len(used) / 2 and not pd.DataFrame({"a": texts, "b": times}).duplicated().any():
            found.append((n_values, str(name)))
    return min(found)[1] if found else None


def _with_summary(found: SeriesRows) -> SeriesRows:
    panel = found.panel
    n_missing = int(np.isnan(panel.values).sum())
    n_series = len(found.names)
    series = "one series" if n_series == 1 else f"{n_series} series"
    gaps = f", {n_missing} of them missing" if n_missing else ""
    text = f"{series} in steps of {found.grid.frequency}: {len(panel.values)} steps{gaps}"
    return SeriesRows(
        found.rows, found.series, found.steps, found.times, found.values, found.names, found.grid,
        (*found.notes, ("info", text)),
    )  # fmt: skip
