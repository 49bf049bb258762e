"""What a forecast may look at: of a step some steps ahead, the values known at its origin, and the calendar.

Everything is told relative to the seasonal naive forecast and in units of the series' own naive error, so that one
model learns from series of any size, and nothing is read that was not known at the origin.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studio.automl.series_panel import FloatArray, IntArray, Panel

LAGS = 6
WINDOWS = (3, 7, 14, 28)  # steps that means are taken over where there is no season
SEASONS_BACK = 3


@dataclass(frozen=True)
class SeriesShape:
    """What is known of the series from their training steps.

    Attributes:
        horizon: Most steps ahead the model was fitted for.
        season: Steps of the season that the seasonal naive forecast repeats; 1 repeats the last value.
        seasons: Every season that may be there, the shortest first.
        naive_errors: Mean absolute change from one known training step to the next, of shape (n_series,); NaN
            where there is none, 0 where nothing changes.
        centres: Mean of the training steps, of shape (n_series,), NaN where there is none.
        usual_error: For series without an error above 0.
        usual_centre: For series without a centre.
    """

    horizon: int
    season: int
    seasons: tuple[int, ...]
    naive_errors: FloatArray
    centres: FloatArray
    usual_error: float
    usual_centre: float

    def scales_of(self, series: IntArray) -> FloatArray:
        """The unit of each row's series, above 0."""
        found = _pick(self.naive_errors, series)
        return np.where(np.isnan(found) | (found <= 0), self.usual_error, found)

    def centres_of(self, series: IntArray) -> FloatArray:
        """The usual level of each row's series."""
        found = _pick(self.centres, series)
        return np.where(np.isnan(found), self.usual_centre, found)

    @property
    def lookback(self) -> int:
        """Steps before an origin that a forecast may look at."""
        return max([SEASONS_BACK * max((1, *self.seasons)) + self.horizon, LAGS + 1, *self.windows]) + 1

    @property
    def windows(self) -> tuple[int, ...]:
        """Steps that means are taken over."""
        if self.season == 1:
            return WINDOWS
        return tuple(sorted({3, self.season, 2 * self.season, *self.seasons, 4 * max(self.seasons)}))


def naive_forecasts(
    panel: Panel, shape: SeriesShape, series: IntArray, steps: IntArray, ahead: IntArray
) -> tuple[FloatArray, FloatArray]:
    """The seasonal naive and the naive forecast of each row, never NaN.

    Args:
        series: Number of each row's series, -1 for an unknown one.
        steps: The step to forecast.
        ahead: How many steps after the origin it lies, from 1; nothing after the origin is looked at.
    """
    last = panel.at(series, steps - ahead, latest=True)
    last = np.where(np.isnan(last), shape.centres_of(series), last)
    if shape.season == 1:
        return last, last
    repeated = _season_ago(panel, series, steps, ahead, shape.season)
    return np.where(np.isnan(repeated), last, repeated), last


def lagged_columns(
    panel: Panel,
    shape: SeriesShape,
    series: IntArray,
    steps: IntArray,
    ahead: IntArray,
    forecasts: tuple[FloatArray, FloatArray],
) -> list[FloatArray]:
    """Columns of shape (n_rows,) told by the series itself; NaN where nothing is known.

    The first is always the naive forecast's distance from the seasonal one.

    Args:
        forecasts: As ``naive_forecasts`` gives them.
    """
    base, last = forecasts
    unit = shape.scales_of(series)
    origin = steps - ahead

    def told(values: FloatArray) -> FloatArray:
        relative: FloatArray = (values - base) / unit
        return relative

    columns = [told(last), np.minimum(ahead, shape.horizon).astype(np.float64)]
    columns += [told(panel.at(series, origin - lag)) for lag in range(1, LAGS + 1)]
    for season in shape.seasons:
        back = season * -(-ahead // season)
        columns += [told(panel.at(series, steps - back - season * more)) for more in range(SEASONS_BACK)]
        columns.append((last - panel.at(series, origin - season, latest=True)) / unit)
    if shape.season > 1:
        back = shape.season * -(-ahead // shape.season)
        columns.append(told(panel.at(series, steps - back - 1)))
        is_known = back > ahead  # the step after last season's must not lie beyond the origin
        columns.append(told(np.where(is_known, panel.at(series, steps - back + 1), np.nan)))
    for width in shape.windows:
        mean, spread = panel.window(series, origin, width)
        columns += [told(mean), spread / unit]
    columns.append((base - shape.centres_of(series)) / unit)
    return columns


def calendar_columns(dates: list[FloatArray], steps: IntArray, seasons: tuple[int, ...]) -> list[FloatArray]:
    """Columns of shape (n_rows,) told by the time stamp alone.

    Args:
        dates: As ``columns.read_dates`` gives them.
        steps: Step of each row.
        seasons: Seasons whose position is told as a point on a circle.
    """
    _, _, month, day, weekday, hour, minute = dates
    columns = [month, day, weekday, hour, minute]
    angles = [2 * np.pi * (steps % season) / season for season in seasons]
    angles.append(2 * np.pi * ((month - 1) + (day - 1) / 31) / 12)
    for angle in angles:
        columns += [np.sin(angle), np.cos(angle)]
    return columns


def choose_shape(
    panel: Panel, seasons: tuple[int, ...], horizon: int, rows: tuple[IntArray, IntArray, IntArray], before: int
) -> SeriesShape:
    """Learn units, levels and the strongest season from the steps before one.

    Args:
        panel: Everything that is known; what begins at ``before`` is not looked at.
        seasons: Lengths that may be one.
        rows: Series, step and steps ahead of training rows.
        before: First step that does not train.
    """
    codes, steps, values = panel.known()
    is_training = steps < before
    codes, steps, values = codes[is_training], steps[is_training], values[is_training]
    errors = np.full(panel.n_series, np.nan)
    is_next = (np.diff(steps) == 1) & (np.diff(codes) == 0)
    counts = np.bincount(codes[1:][is_next], minlength=panel.n_series)
    sums = np.bincount(codes[1:][is_next], np.abs(np.diff(values))[is_next], minlength=panel.n_series)
    errors[counts > 0] = sums[counts > 0] / counts[counts > 0]
    sizes = np.bincount(codes, minlength=panel.n_series)
    centres = np.full(panel.n_series, np.nan)
    centres[sizes > 0] = np.bincount(codes, values, minlength=panel.n_series)[sizes > 0] / sizes[sizes > 0]
    usable = errors[errors > 0]
    usual_error = float(np.median(usable)) if len(usable) else 1.0
    usual_centre = float(np.nanmean(centres)) if len(values) else 0.0
    span = int(np.ptp(steps)) + 1 if len(steps) else 0
    fitting = tuple(season for season in seasons if 2 * season + horizon <= span)
    shape = SeriesShape(horizon, 1, fitting, errors, centres, usual_error, usual_centre)
    found = {season: _error_of(panel, shape, season, rows) for season in (1, *fitting)}
    best = min(found, key=lambda season: (found[season], season))
    return SeriesShape(horizon, best, fitting, errors, centres, usual_error, usual_centre)


def _error_of(panel: Panel, shape: SeriesShape, season: int, rows: tuple[IntArray, IntArray, IntArray]) -> float:
    """Mean error, in units, of the forecast that repeats a season, over the later half of the training rows."""
    series, steps, ahead = rows
    is_late = steps >= np.median(steps) if len(steps) else np.empty(0, dtype=bool)
    series, steps, ahead = series[is_late], steps[is_late], ahead[is_late]
    if not len(steps):
        return 0.0
    trial = SeriesShape(
        shape.horizon, season, shape.seasons, shape.naive_errors, shape.centres, shape.usual_error, shape.usual_centre
    )
    forecast, _ = naive_forecasts(panel, trial, series, steps, ahead)
    return float(np.nanmean(np.abs(panel.at(series, steps) - forecast) / shape.scales_of(series)))


def _season_ago(panel: Panel, series: IntArray, steps: IntArray, ahead: IntArray, season: int) -> FloatArray:
    """The value of the latest season that was over at the origin, of the one before where it is missing."""
    back = season * -(-ahead // season)
    found = panel.at(series, steps - back)
    return np.where(np.isnan(found), panel.at(series, steps - back - season), found)


def _pick(values: FloatArray, series: IntArray) -> npt.NDArray[np.float64]:
    is_known = (series >= 0) & (series < len(values))
    return np.append(values, np.nan)[np.where(is_known, series, len(values))]
