"""Time series: grids of time, what a row may know, splits by time, forecasts and refusals."""

import dataclasses
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from studio.automl.plan import Plan, Validation
from studio.automl.search import search
from studio.automl.series_problem import prepare_series
from studio.automl.series_steps import BadFrequency, make_steps, read_frequency
from studio.errors import ConfigIncomplete, TooFewRows, UntrainableTarget, UnusableSeries
from studio.exports.pickles import write_pickle

TYPES = {"at": "datetime", "y": "number"}
PLAN = Plan(
    task="time_series", target="y", column_types=TYPES, time_column="at", horizon=7, budget_s=None, max_trials=1,
    algorithm="linear_regression",
)  # fmt: skip


def weekly(n=140, *, start="2024-01-01", noise=0.5, seed=0):
    """A level that drifts with a strong week."""
    rng = np.random.default_rng(seed)
    level = 50 + np.cumsum(rng.normal(0.02, 0.2, n))
    week = np.array([0, 1, 2, 3, 8, 12, 5.0])[np.arange(n) % 7]
    return pd.DataFrame({"at": pd.date_range(start, periods=n, freq="D"), "y": level + week + rng.normal(0, noise, n)})


def panel_of(*names, n=120):
    parts = [
        weekly(n, seed=seed).assign(shop=name, y=lambda t, s=seed: t["y"] * 10**s) for seed, name in enumerate(names)
    ]
    return pd.concat(parts, ignore_index=True)


PANEL_PLAN = dataclasses.replace(
    PLAN, column_types={**TYPES, "shop": "category"}, validation=Validation(group_column="shop")
)


@pytest.mark.parametrize("alias", ["D", "h", "15min", "2h", "W", "W-MON", "MS", "ME", "M", "QS", "QE", "YS", "B", "H"])
def test_steps_count_without_gaps(alias):
    unit, multiple = read_frequency(alias)
    offset = {"M": "ME", "H": "h"}.get(alias, alias)
    stamps = pd.date_range("2021-01-01", periods=60, freq=offset, tz="UTC").to_series()
    steps = make_steps(stamps, alias)
    assert (steps.unit, steps.multiple) == (unit, multiple)
    assert steps.number(stamps).tolist() == list(range(60))
    assert make_steps(stamps, None).number(stamps).tolist() == list(range(60))


@pytest.mark.parametrize(
    ("alias", "seasons"), [("D", (7,)), ("30min", (2, 48, 336)), ("MS", (12,)), ("YS", ()), ("QS", (4,))]
)
def test_seasons_follow_the_frequency(alias, seasons):
    stamps = pd.date_range("2021-01-01", periods=40, freq=alias, tz="UTC").to_series()
    assert make_steps(stamps, None).seasons == seasons


@pytest.mark.parametrize("alias", ["", "daily", "-1D", "SME", "0h"])
def test_what_is_no_frequency_is_refused(alias):
    with pytest.raises(BadFrequency):
        read_frequency(alias)


def test_missing_days_are_steps_too():
    stamps = pd.date_range("2021-01-01", periods=30, freq="D").delete([3, 4, 11]).to_series()
    steps = make_steps(stamps, None)
    assert (steps.unit, steps.multiple) == ("D", 1)
    assert steps.number(stamps)[-1] == 29


@settings(max_examples=25, deadline=None)
@given(n=st.integers(40, 130), horizon=st.integers(1, 9), seed=st.integers(0, 99), lost=st.integers(0, 12))
def test_no_row_knows_what_comes_after_its_origin(n, horizon, seed, lost):
    frame = weekly(n, seed=seed)
    frame = frame.drop(np.random.default_rng(seed).choice(np.arange(1, n - 1), lost, replace=False))
    plan = dataclasses.replace(PLAN, horizon=horizon)
    problem = prepare_series(frame, plan)
    row = int(np.random.default_rng(seed).integers(len(problem.rows)))
    day = problem.times[row]
    ahead = int(problem.cells.values[row, 1])
    later = (frame["at"].to_numpy() > day - np.timedelta64(ahead, "D")) & (frame["at"].to_numpy() != day)
    # Units and levels come from the training steps; leave those alone.
    first_held = problem.times[problem.split.validation].min()
    changed = frame.assign(y=frame["y"].where(~(later & (frame["at"].to_numpy() >= first_held)), 1e3))
    again = prepare_series(changed, plan)
    np.testing.assert_allclose(again.cells.values[row], problem.cells.values[row], atol=1e-7)
    assert again.cells.base[row] == problem.cells.base[row]


@settings(max_examples=25, deadline=None)
@given(n=st.integers(40, 200), horizon=st.integers(1, 9), test=st.floats(0.05, 0.4), folds=st.integers(2, 6))
def test_parts_and_windows_follow_each_other_in_time(n, horizon, test, folds):
    plan = dataclasses.replace(PLAN, horizon=horizon, validation=Validation(test_size=test, cv_folds=folds))
    problem = prepare_series(weekly(n), plan)
    times, split = problem.times, problem.split
    assert times[split.train].max() < times[split.validation].min()
    assert times[split.validation].max() < times[split.test].min()
    assert times[split.development].max() < times[split.test].min()
    for train, validation in problem.folds:
        assert times[train].max() < times[validation].min()
        assert problem.cells.values[validation, 1].max() <= horizon
    assert sorted(problem.scored) == sorted(split.validation)
    assert len(split.test) % horizon == 0


def test_a_search_beats_the_naive_forecasts_and_shows_them(recorder, tmp_path):
    frame = weekly()
    plan = dataclasses.replace(PLAN, algorithm="auto", max_trials=4)
    result = search(frame, plan, observer=recorder, work_folder=tmp_path)
    scores = {trial.algorithm: trial.score for trial in reversed(result.candidates)}
    assert {"naive", "seasonal_naive", "linear_regression"} <= set(scores)
    assert result.metric == "mase"
    assert result.score < scores["seasonal_naive"] < scores["naive"]
    assert set(result.metrics["test"]) >= {"mase", "rmse", "mae", "mape", "smape", "r2"}
    assert all(value is not None for value in result.metrics["test"].values())
    assert result.feature_columns == ("at", "y")
    assert result.optional_columns == ("y",)
    assert sum(result.importances["gain"].values()) == pytest.approx(1.0)
    test = result.splits["test"]
    assert (frame["at"].to_numpy()[test.row_index] == test.times).all()
    naive_error = np.abs(np.diff(frame["y"].to_numpy()[: len(frame) - 2 * len(test.y_true)])).mean()
    expected = np.abs(test.y_true - test.y_pred).mean() / naive_error
    assert result.metrics["test"]["mase"] == pytest.approx(expected, rel=0.05)


def forecast(result, frame):
    with threadpool_limits(1):
        return pickle.loads(pickle.dumps(result.estimator)).predict(frame)


def test_a_model_forecasts_from_its_history_and_from_newer_rows(recorder, tmp_path):
    frame = weekly(160, noise=0.1)
    result = search(frame.iloc[:133], PLAN, observer=recorder, work_folder=tmp_path)
    week = frame.iloc[133:140]
    fresh = forecast(result, week[["at"]])
    assert fresh.shape == (7,)
    write_pickle(result.estimator, tmp_path / "model.pkl")  # by value: it loads where Model Studio is not installed
    with threadpool_limits(1):
        np.testing.assert_allclose(pickle.loads((tmp_path / "model.pkl").read_bytes()).predict(week[["at"]]), fresh)
    assert np.abs(fresh - week["y"]).mean() < 3
    # Rows with a value are history: the level has jumped, and the forecast follows it.
    jumped = frame.iloc[133:154].assign(y=lambda t: t["y"] + 100)
    ahead = frame.iloc[154:160].assign(y=np.nan)
    both = forecast(result, pd.concat([ahead, jumped]))
    assert both.shape == (27,)
    assert (both[:6] > 90).all()
    assert np.isfinite(forecast(result, pd.DataFrame({"at": ["2030-01-01T00:00:00Z"]}))).all()
    with pytest.raises(ValueError, match="row 0 has no time stamp"):
        forecast(result, pd.DataFrame({"at": [None]}))


def test_series_of_any_size_share_a_model(recorder, tmp_path):
    frame = panel_of("a", "b", "c").sample(frac=1, random_state=0)
    result = search(frame, PANEL_PLAN, observer=recorder, work_folder=tmp_path)
    assert result.feature_columns == ("at", "shop", "y")
    assert result.algorithm == "linear_regression"  # a baseline wins only where nothing else was asked for
    ahead = pd.DataFrame({"shop": ["c", "a", "new"], "at": "2024-05-01"})
    found = forecast(result, ahead)
    assert 40 < found[1] < 80
    assert 4000 < found[0] < 8000
    assert np.isfinite(found[2])
    assert any("3 series in steps of D" in text for _, text in recorder.logs)


def test_a_fixed_algorithm_wins_over_the_baselines(recorder, tmp_path):
    flat = weekly().assign(y=lambda t: np.random.default_rng(1).normal(size=len(t)).cumsum())
    result = search(flat, PLAN, observer=recorder, work_folder=tmp_path)
    assert result.algorithm == "linear_regression"
    assert [trial.algorithm for trial in result.candidates] == ["naive", "seasonal_naive", "linear_regression"]


@pytest.mark.parametrize(
    ("frame", "changes", "error", "words"),
    [
        (weekly(), {"time_column": None}, ConfigIncomplete, "needs time_column"),
        (weekly(), {"horizon": None}, ConfigIncomplete, "needs horizon"),
        (weekly(30), {"horizon": 10}, TooFewRows, "span 30 steps; with a horizon of 10 at least 33"),
        (weekly().assign(at="soon"), {}, UnusableSeries, "holds no time stamp that can be read"),
        (weekly().assign(y=3), {}, UntrainableTarget, "is 3 in every row"),
        (weekly().assign(y="x"), {}, UntrainableTarget, "holds no number"),
        (weekly(), {"frequency": "often"}, UnusableSeries, "'often' is no frequency"),
        (weekly(), {"frequency": "W"}, UnusableSeries, "Several rows fall into one step of W"),
        (panel_of("a", "b"), {}, UnusableSeries, "stands in 2 rows.*'shop' does.*validation.group_column"),
        (weekly().assign(at=pd.to_datetime(np.sort(np.random.default_rng(0).integers(0, 10**9, 140)), unit="s")), {},
         UnusableSeries, "follow no regular step"),
    ],
)  # fmt: skip
def test_what_is_no_series_is_refused_in_words(frame, changes, error, words):
    with pytest.raises(error, match=words):
        prepare_series(frame, dataclasses.replace(PLAN, **changes))


def test_years_may_be_numbers():
    frame = pd.DataFrame({"at": np.arange(1960, 2020), "y": np.arange(60) + np.random.default_rng(0).normal(size=60)})
    problem = prepare_series(frame, dataclasses.replace(PLAN, horizon=3, column_types={"at": "number", "y": "number"}))
    assert problem.reader.steps.unit.startswith("Y")
    assert problem.reader.shape.season == 1


def test_repeats_and_gaps_are_left_out_and_told():
    frame = pd.concat([weekly(), weekly().iloc[:3]], ignore_index=True)
    frame.loc[20, "y"] = None
    frame.loc[30, "at"] = pd.NaT
    notes = [text for _, text in prepare_series(frame, PLAN).notes]
    assert any("3 rows that repeat" in note for note in notes)
    assert any("1 rows without a target" in note for note in notes)
    assert any("1 rows without a time stamp" in note for note in notes)
    assert any("2 of them missing" in note for note in notes)


def test_a_target_that_rests_in_training_is_scored_otherwise():
    frame = weekly().assign(y=[1.0] * 120 + [2.0] * 20)
    problem = prepare_series(frame, PLAN)
    assert problem.metric == "mae"
