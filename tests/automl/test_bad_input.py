"""Hopeless tables and budgets: an answer in words and a model that is as good as can be, never an error or a NaN."""

import dataclasses
import json
import math
import pickle

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from studio.automl.baseline import baseline_outputs, beats_baseline
from studio.automl.plan import Plan
from studio.automl.problem import prepare_problem
from studio.automl.search import search
from tests.automl.test_series import PLAN as SERIES_PLAN
from tests.automl.test_series import weekly

TYPES = {"a": "number", "b": "category", "y": "category"}
PLAN = Plan(task="classification", target="y", column_types=TYPES, budget_s=None, max_trials=2)


def table(n=60, **columns):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"a": rng.normal(size=n), "b": rng.choice(list("pqr"), n), "y": np.array(["no", "yes"])[np.arange(n) % 2]}
    )
    return frame.assign(**columns)


def check(result, frame):
    """The model predicts every row, and no number that is told is NaN."""
    with threadpool_limits(1):
        predicted = pickle.loads(pickle.dumps(result.estimator)).predict(frame)
    assert len(predicted) == len(frame)
    assert not pd.isna(predicted).any()
    told = [value for values in result.metrics.values() for value in values.values() if value is not None]
    told += [bound for values in result.intervals.values() for pair in values.values() for bound in pair]
    told += [trial.score for trial in result.candidates if trial.score is not None]
    assert told
    assert all(math.isfinite(value) for value in [*told, result.score])
    json.dumps([dict(values) for values in result.metrics.values()], allow_nan=False)
    return predicted


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_features_that_tell_nothing_end_in_the_baseline(recorder, tmp_path, task):
    y = np.array(["no", "no", "yes"])[np.arange(60) % 3] if task == "classification" else np.arange(60.0)
    frame = table(a=None, b="p", y=y)
    types = TYPES if task == "classification" else {**TYPES, "y": "number"}
    plan = dataclasses.replace(PLAN, task=task, column_types=types, compute_shap=True)
    result = search(frame, plan, observer=recorder, work_folder=tmp_path)
    assert result.algorithm == "baseline"
    assert result.shap.reason == "the baseline learns from no column"
    predicted = check(result, frame)
    assert len(set(predicted)) == 1
    logs = [text for _, text in recorder.logs]
    assert any("no feature varies in the training rows" in text for text in logs)
    assert any("no feature tells rows apart; the version is the baseline" in text for text in logs)
    assert [trial.algorithm for trial in result.candidates] == ["baseline"]


def test_an_algorithm_that_was_asked_for_stays_though_it_learns_nothing(recorder, tmp_path):
    plan = dataclasses.replace(PLAN, algorithm="logistic_regression")
    result = search(table(a=1, b="p"), plan, observer=recorder, work_folder=tmp_path)
    assert result.algorithm == "logistic_regression"
    assert any("no model is better" in text for level, text in recorder.logs if level == "warning")


@pytest.mark.parametrize("task", ["classification", "regression", "time_series"])
def test_a_budget_for_no_fit_gives_the_baseline(recorder, tmp_path, task):
    if task == "time_series":
        frame, plan = weekly(), dataclasses.replace(SERIES_PLAN, algorithm="auto")
    else:
        frame = table(y=np.arange(60.0) if task == "regression" else np.array(["no", "yes"])[np.arange(60) % 2])
        plan = dataclasses.replace(
            PLAN, task=task, column_types={**TYPES, "y": "number"} if task == "regression" else TYPES
        )
    plan = dataclasses.replace(plan, budget_s=0.01, max_trials=None)
    result = search(frame, plan, observer=recorder, work_folder=tmp_path)
    assert result.algorithm == "baseline"
    predicted = check(result, frame)
    assert result.importances == {}
    assert task == "time_series" or len(set(predicted)) == 1
    assert any("the time was over before a model had been fitted" in text for _, text in recorder.logs)


def test_two_rows_per_class_are_enough(recorder, tmp_path):
    frame = table(12, y=np.repeat(list("uvwxyz"), 2))
    check(search(frame, PLAN, observer=recorder, work_folder=tmp_path), frame)


def test_hundreds_of_classes_with_rare_ones_are_learned(recorder, tmp_path):
    rng = np.random.default_rng(0)
    classes = np.concatenate([np.repeat(np.arange(150), 6), np.arange(150, 170)])
    frame = pd.DataFrame(
        {"a": classes + rng.normal(0, 0.1, len(classes)), "b": "p", "y": [f"c{c:03}" for c in classes]}
    )
    plan = dataclasses.replace(PLAN, budget_s=3.0, max_trials=None)
    result = search(frame, plan, observer=recorder, work_folder=tmp_path)
    check(result, frame)
    assert len(result.labels) == 170
    assert any("classes of one row" in text and "c150" in text and "10 more" in text for _, text in recorder.logs)


def test_a_target_with_gaps_is_learned_from_the_other_rows(recorder, tmp_path):
    frame = table()
    frame.loc[::5, "y"] = None
    result = search(frame, PLAN, observer=recorder, work_folder=tmp_path)
    check(result, frame)
    assert any("12 rows without a target were left out" in text for _, text in recorder.logs)


def test_a_class_that_no_part_but_training_has_is_no_error(recorder, tmp_path):
    y = np.array(["no"] * 59 + ["yes"])
    frame = table(y=y)
    result = search(frame, PLAN, observer=recorder, work_folder=tmp_path)
    check(result, frame)
    assert result.metrics["test"]["roc_auc"] is None


@pytest.mark.parametrize(("metric", "commonest"), [("accuracy", "no"), ("recall", "yes")])
def test_a_model_that_names_the_commonest_class_alone_is_of_use_where_it_ranks_rows(
    recorder, tmp_path, metric, commonest
):
    rng = np.random.default_rng(0)
    frame = table(400)
    is_other = rng.random(400) < np.where(frame["a"] > 1, 0.4, 0.02)
    other = {"no": "yes", "yes": "no"}[commonest]
    frame["y"] = np.where(is_other, other, commonest)
    plan = dataclasses.replace(PLAN, metric=metric)
    result = search(frame, plan, observer=recorder, work_folder=tmp_path)
    assert result.algorithm != "baseline"
    check(result, frame)


@pytest.mark.parametrize("metric", ["roc_auc", "log_loss", "accuracy"])
def test_a_model_of_noise_does_not_beat_the_baseline(metric):
    problem = prepare_problem(table(200), dataclasses.replace(PLAN, metric=metric))
    own = baseline_outputs(problem)
    assert not beats_baseline(problem, own)
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.4, len(own))[:, None] * [-1, 1]
    assert not beats_baseline(problem, np.clip(0.5 + noise, 0.0, 1.0))
    right = np.eye(2)[problem.y[problem.scored]]
    assert beats_baseline(problem, 0.7 * own + 0.3 * right)
