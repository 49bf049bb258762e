"""SHAP importance at the end of a search: when asked for, in time, and with a reason where there is none."""

import dataclasses
import os
import signal

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from studio.automl import shap_importance, tasks
from studio.automl.plan import Plan
from studio.automl.problem import prepare_problem
from studio.automl.search import search
from studio.automl.shap_totals import MAX_PREDICTIONS, SHARE, add_up_shap, shap_reserve_s
from tests.automl.conftest import MESSY_TYPES
from tests.automl.test_clusters import PLAN as CLUSTERS
from tests.automl.test_clusters import blobs
from tests.automl.test_search import TOY, toy_table
from tests.automl.test_series import PLAN as SERIES
from tests.automl.test_series import weekly

MESSY = Plan(
    task="classification",
    target="y",
    column_types=MESSY_TYPES,
    algorithm="lightgbm",
    budget_s=None,
    max_trials=2,
    ensemble=False,
    compute_shap=True,
)


def test_it_is_computed_when_it_is_asked_for(messy, recorder, tmp_path):
    found = search(messy, MESSY, observer=recorder, work_folder=tmp_path).shap
    assert sum(found.shares.values()) == pytest.approx(1.0)
    assert set(found.shares) == set(messy) - {"y"}
    assert max(found.shares, key=found.shares.get) == "word"
    assert found.shares["constant"] == found.shares["empty"] == 0.0
    assert (found.explainer, found.output, found.n_rows, found.reason) == ("tree", "log_odds", 40, "")
    assert found.by_class == {}
    said = [message for _, message in recorder.logs if "SHAP" in message]
    assert said == ["[Evaluation] SHAP importance by the explainer tree on the log_odds of 40 test rows"]


def test_otherwise_there_is_none(messy, recorder, tmp_path):
    plan = dataclasses.replace(MESSY, compute_shap=False, max_trials=1)
    assert search(messy, plan, observer=recorder, work_folder=tmp_path).shap is None


def test_a_target_learned_as_a_logarithm_is_explained_as_itself(recorder, tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(200, 2)), columns=["a", "b"])
    frame["y"] = np.exp(frame["a"])
    plan = dataclasses.replace(
        MESSY,
        task="regression",
        column_types=dict.fromkeys("aby", "number"),
        hyperparameters={"target_transform": "log"},
        max_trials=1,
    )
    found = search(frame, plan, observer=recorder, work_folder=tmp_path).shap
    assert (found.explainer, found.output) == ("permutation", "prediction")
    assert found.shares["a"] > found.shares["b"]


def test_each_of_several_classes_has_its_own(messy, recorder, tmp_path):
    messy["y"] = np.where(messy["word"] == "red", "r", np.where(messy["word"] == "blue", "b", "other"))
    plan = dataclasses.replace(MESSY, parallel_trials=2)
    found = search(messy, plan, observer=recorder, work_folder=tmp_path).shap
    assert set(found.by_class) == {"r", "b", "other"}
    for shares in (found.shares, *found.by_class.values()):
        assert sum(shares.values()) == pytest.approx(1.0)
        assert max(shares, key=shares.get) == "word"
    assert found.n_rows == 40  # whichever process explained a row


def test_an_ensemble_is_explained_as_a_whole(messy, recorder, tmp_path):
    messy["y"] = np.random.default_rng(1).normal(size=len(messy)) + np.where(messy["word"] == "red", 2.0, 0.0)
    plan = dataclasses.replace(MESSY, task="regression", algorithm="auto", max_trials=5, ensemble=True)
    result = search(messy, plan, observer=recorder, work_folder=tmp_path)
    assert result.algorithm == "ensemble"
    assert result.shap.output == "prediction"
    assert max(result.shap.shares, key=result.shap.shares.get) == "word"


def test_without_time_left_it_says_so(messy, recorder, tmp_path, monkeypatch):
    monkeypatch.setattr(shap_importance, "LEAST_S", 1e9)
    plan = dataclasses.replace(MESSY, budget_s=60.0, max_trials=1)
    found = search(messy, plan, observer=recorder, work_folder=tmp_path).shap
    assert found.shares == {}
    assert "time budget" in found.reason
    assert ("warning", f"[Evaluation] no SHAP importance: {found.reason}") in recorder.logs


def test_a_process_that_dies_while_it_explains_does_not_take_the_search_with_it(messy, recorder, tmp_path, monkeypatch):
    monkeypatch.setattr(tasks, "add_up_shap", lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
    plan = dataclasses.replace(MESSY, max_trials=1)
    result = search(messy, plan, observer=recorder, work_folder=tmp_path)
    assert result.shap.reason == "its process was ended by SIGKILL"
    assert result.metrics["test"]["roc_auc"] > 0.5


def test_a_model_that_looks_at_nothing_has_none(toy_family, recorder, tmp_path):
    plan = dataclasses.replace(TOY, hyperparameters={"mood": "steady"}, max_trials=1, compute_shap=True)
    found = search(toy_table(), plan, observer=recorder, work_folder=tmp_path).shap
    assert (found.shares, found.reason) == ({}, "the model answers the same whatever is in the columns")


def test_the_time_kept_for_it_is_a_share_of_the_budget(messy):
    more = [f"c{number}" for number in range(300)]
    wide = pd.concat([messy, pd.DataFrame(0.0, index=messy.index, columns=more)], axis=1)
    types = MESSY_TYPES | dict.fromkeys(more, "number")
    plan = dataclasses.replace(MESSY, column_types=types, budget_s=100.0)
    problem = prepare_problem(wide, plan)
    assert shap_reserve_s(problem, row_s=1.0) == SHARE * 100.0
    assert shap_reserve_s(problem, row_s=0.0) == 1.0
    assert shap_reserve_s(problem, row_s=1e-6) <= 1.0 + 1e-6 * MAX_PREDICTIONS
    assert shap_reserve_s(prepare_problem(messy, dataclasses.replace(MESSY, compute_shap=False)), row_s=1.0) == 0.0


def test_the_rows_do_not_depend_on_how_many_processes_share_them(messy, recorder, tmp_path):
    plan = dataclasses.replace(MESSY, algorithm="hist_gradient_boosting", max_trials=1)
    result = search(messy, plan, observer=recorder, work_folder=tmp_path)
    problem, blend = prepare_problem(messy, plan), result.estimator.named_steps["model"]
    with threadpool_limits(1):  # more would leave a pool of threads behind that forked processes could not use
        whole = add_up_shap(problem, blend, part=0, n_parts=1, until=None)
        parts = [add_up_shap(problem, blend, part=part, n_parts=3, until=None) for part in range(3)]
    assert sum(part.n_rows for part in parts) == whole.n_rows == 40
    np.testing.assert_allclose(sum(part.sums for part in parts), whole.sums, rtol=1e-9)


def test_clusters_are_explained_by_what_makes_a_row_their_member(recorder, tmp_path):
    frame, _ = blobs()
    plan = dataclasses.replace(CLUSTERS, compute_shap=True, algorithm="kmeans", hyperparameters={"n_clusters": 4})
    found = search(frame.assign(idle=1.0), plan, observer=recorder, work_folder=tmp_path).shap
    assert (found.explainer, found.output) == ("permutation", "membership")
    assert sum(found.shares.values()) == pytest.approx(1.0)
    assert set(found.by_class) == {"0", "1", "2", "3"}
    assert min(found.shares["width"], found.shares["height"]) > 0.1


@pytest.mark.parametrize("algorithm", ["linear_regression", "lightgbm"])
def test_forecasts_are_explained_by_what_moves_them_from_the_naive_one(recorder, tmp_path, algorithm):
    plan = dataclasses.replace(SERIES, compute_shap=True, algorithm=algorithm, ensemble=False)
    result = search(weekly(), plan, observer=recorder, work_folder=tmp_path)
    if result.algorithm == algorithm:
        assert result.shap.output == "distance"
        assert set(result.shap.shares) == {"at", "y"}
        assert sum(result.shap.shares.values()) == pytest.approx(1.0)
    else:  # the naive forecast won: it says the same of every row, or looks at the last value alone
        assert result.shap.shares.get("y", 0.0) in (0.0, pytest.approx(1.0))
