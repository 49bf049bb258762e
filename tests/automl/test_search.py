"""Searches from end to end: results, budgets, crashes and what they say on the way."""

import dataclasses
import json
import os
import pickle
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import psutil
import pytest
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from studio.automl.plan import Plan, Preprocessing, Validation
from studio.automl.result import TrialState
from studio.automl.search import search
from studio.errors import InvalidInput, NoSuccessfulTrial
from tests.automl.conftest import MESSY_TYPES

MESSY = Plan(
    task="classification", target="y", column_types=MESSY_TYPES, algorithm="lightgbm", budget_s=None, max_trials=4
)
TOY_TYPES = {"a": "number", "y": "number"}
TOY = Plan(task="regression", target="y", column_types=TOY_TYPES, algorithm="toy", budget_s=None, max_trials=3)


def toy_table(n=60):
    rng = np.random.default_rng(0)
    return pd.DataFrame({"a": rng.normal(size=n), "y": rng.normal(size=n)})


def predict(result, frame):
    """On one core: more would leave a pool of threads behind that forked processes could not use."""
    with threadpool_limits(1):
        estimator = pickle.loads(pickle.dumps(result.estimator))
        return estimator.predict(frame), estimator


def test_a_classification_ends_in_an_evaluated_pipeline(messy, recorder, tmp_path):
    plan = dataclasses.replace(MESSY, algorithm="auto", max_trials=4)
    result = search(messy, plan, observer=recorder, work_folder=tmp_path)
    predicted, estimator = predict(result, messy[list(reversed(result.feature_columns))])
    assert set(predicted) <= {"yes sir", "no"}
    assert estimator.classes_.tolist() == ["no", "yes sir"] == list(result.labels)
    assert result.positive_label == "yes sir"
    with threadpool_limits(1):
        proba = estimator.predict_proba(messy)
    np.testing.assert_allclose(proba.sum(axis=1), 1.0)
    for name, size in (("train", 120), ("validation", 40), ("test", 40)):
        split = result.splits[name]
        assert split.proba.shape == (size, 2)
        assert (split.y_true == messy["y"].to_numpy()[split.row_index]).all()
        expected = roc_auc_score(split.y_true == "yes sir", split.proba[:, 1])
        assert result.metrics[name]["roc_auc"] == pytest.approx(expected)
        low, high = result.intervals[name]["roc_auc"]
        assert low <= expected <= high
    test = result.splits["test"]
    np.testing.assert_allclose(proba[test.row_index], test.proba)
    assert result.metrics["test"]["roc_auc"] > 0.75
    assert sum(result.importances["gain"].values()) == pytest.approx(1.0)
    assert max(result.importances["gain"], key=result.importances["gain"].get) == "word"
    assert set(result.stage_seconds) == {"data_validation", "preprocessing", "algorithm_search", "evaluation"}


def test_a_regression_predicts_numbers(messy, recorder, tmp_path):
    messy["y"] = np.where(messy["word"] == "red", 10.0, 0.0) + np.random.default_rng(0).normal(size=len(messy))
    plan = dataclasses.replace(MESSY, task="regression", algorithm="auto", max_trials=4)
    result = search(messy, plan, observer=recorder, work_folder=tmp_path)
    predicted, _ = predict(result, messy)
    assert predicted.dtype == np.float64
    assert result.metric == "rmse"
    assert result.metrics["test"]["r2"] > 0.5
    assert result.labels is None
    assert result.splits["test"].proba is None


def test_number_labels_keep_their_type(messy, recorder, tmp_path):
    messy["y"] = (messy["y"] == "no").astype(int)
    result = search(messy, dataclasses.replace(MESSY, max_trials=1), observer=recorder, work_folder=tmp_path)
    predicted, estimator = predict(result, messy)
    assert predicted.dtype.kind == "i"
    assert estimator.classes_.tolist() == [0, 1]
    assert result.labels == ("0", "1")
    assert set(result.splits["test"].y_true) == {"0", "1"}


def test_the_observer_hears_of_everything_in_order(messy, recorder, tmp_path):
    result = search(messy, MESSY, observer=recorder, work_folder=tmp_path)
    assert [trial.number for trial in recorder.trials] == [0, 1, 2, 3]
    stages = ("[Validation] ", "[Preprocessing] ", "[Training] ", "[Evaluation] ")
    assert all(message.startswith(stages) for _, message in recorder.logs)
    names = list(dict.fromkeys(name for name, _, _ in recorder.phases))
    assert names == ["data_validation", "preprocessing", "algorithm_search", "evaluation"]
    assert all(0 <= fraction <= 1 for _, fraction, _ in recorder.phases)
    scores = {trial.number: trial.score for trial in recorder.trials if trial.state is TrialState.COMPLETE}
    assert max(scores.values()) <= result.score <= 1.0
    assert recorder.trials[0].started_at.tzinfo is not None


def test_a_search_bounded_by_trials_can_be_repeated(messy, recorder, tmp_path):
    plan = dataclasses.replace(MESSY, max_trials=12)
    found = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        found.append(search(messy, plan, observer=recorder, work_folder=tmp_path / name))
    first, second = found
    assert [(t.params, t.score, t.state) for t in first.candidates] == [
        (t.params, t.score, t.state) for t in second.candidates
    ]
    assert first.metrics == second.metrics
    rates = [trial.params["learning_rate"] for trial in first.candidates if trial.algorithm == "lightgbm"]
    assert any(round(rate, 4) != rate for rate in rates)  # the sampler's, not the portfolio's


def test_the_users_hyperparameters_are_used_as_they_are(messy, recorder, tmp_path):
    fixed = {"n_estimators": 7, "num_leaves": 5}
    result = search(
        messy,
        dataclasses.replace(MESSY, hyperparameters=fixed, ensemble=False),
        observer=recorder,
        work_folder=tmp_path,
    )
    assert all(fixed.items() <= trial.params.items() for trial in result.candidates)
    assert fixed.items() <= result.hyperparameters.items()
    model = result.estimator.named_steps["model"].members[0].estimator
    assert (model.n_estimators_, model.num_leaves) == (7, 5)


def test_the_winner_is_fitted_with_the_rounds_that_early_stopping_found(messy, recorder, tmp_path):
    plan = dataclasses.replace(MESSY, ensemble=False, max_trials=1)
    result = search(messy, plan, observer=recorder, work_folder=tmp_path)
    rounds = result.hyperparameters["n_estimators"]
    assert rounds < 3000
    assert result.estimator.named_steps["model"].members[0].estimator.n_estimators_ == rounds


def test_an_ensemble_is_one_estimator_and_says_what_is_in_it(messy, recorder, tmp_path):
    messy["y"] = np.random.default_rng(1).normal(size=len(messy)) + np.where(messy["word"] == "red", 1.0, 0.0)
    plan = dataclasses.replace(MESSY, task="regression", algorithm="auto", max_trials=5)
    result = search(messy, plan, observer=recorder, work_folder=tmp_path)
    assert result.algorithm == "ensemble"
    members = result.hyperparameters["members"]
    assert len(members) > 1
    assert sum(member["weight"] for member in members) == pytest.approx(1.0)
    assert result.candidates[-1].algorithm == "ensemble"
    singles = [t.score for t in result.candidates[:-1] if t.state is TrialState.COMPLETE]
    assert result.candidates[-1].score == result.score < min(singles)
    assert result.metrics["validation"]["rmse"] > 0
    json.dumps(result.hyperparameters)
    told = [facts["ensemble"] for facts in recorder.facts if "ensemble" in facts]
    assert [(one["algorithm"], pytest.approx(one["weight"], abs=1e-6)) for one in told[-1]] == [
        (member["algorithm"], member["weight"]) for member in members
    ]
    assert {one["trial"] for one in told[-1]} <= {trial.number for trial in result.candidates}


@pytest.mark.parametrize("handle_missing", ["drop", "mean"])
@pytest.mark.parametrize("encode_categories", ["onehot", "target"])
def test_every_preprocessing_predicts_rows_with_gaps(messy, recorder, tmp_path, handle_missing, encode_categories):
    settings = Preprocessing(handle_missing=handle_missing, encode_categories=encode_categories, max_categories=5)
    plan = dataclasses.replace(MESSY, preprocessing=settings, max_trials=1)
    result = search(messy, plan, observer=recorder, work_folder=tmp_path)
    assert len(predict(result, messy)[0]) == len(messy)


def test_splits_by_time_and_group_hold_in_the_result(messy, recorder, tmp_path):
    by_time = dataclasses.replace(MESSY, validation=Validation(split="time", time_column="day"), max_trials=1)
    (tmp_path / "time").mkdir()
    result = search(messy, by_time, observer=recorder, work_folder=tmp_path / "time")
    assert result.splits["test"].row_index.tolist() == list(range(160, 200))
    messy["group"] = np.arange(200) // 10
    by_group = dataclasses.replace(MESSY, validation=Validation(split="group", group_column="group"), max_trials=1)
    result = search(messy, by_group, observer=recorder, work_folder=tmp_path)
    groups = [set(messy["group"].to_numpy()[split.row_index]) for split in result.splits.values()]
    assert not groups[0] & groups[2]
    assert not groups[1] & groups[2]


def test_ten_rows_are_enough(recorder, tmp_path):
    frame = pd.DataFrame({"a": np.arange(10.0), "y": ["p", "q"] * 5})
    plan = dataclasses.replace(MESSY, column_types={"a": "number"}, algorithm="auto", max_trials=3)
    result = search(frame, plan, observer=recorder, work_folder=tmp_path)
    assert len(result.splits["test"].row_index) == 2


def test_a_class_of_one_row_does_not_stop_a_search(recorder, tmp_path):
    frame = pd.DataFrame({"a": np.arange(60.0), "y": ["p"] * 30 + ["q"] * 29 + ["once"]})
    plan = dataclasses.replace(MESSY, column_types={"a": "number"}, algorithm="auto", max_trials=3)
    result = search(frame, plan, observer=recorder, work_folder=tmp_path)
    assert result.labels == ("once", "p", "q")
    assert result.splits["test"].proba.shape[1] == 3


def test_bad_trials_do_not_take_the_search_with_them(toy_family, recorder, tmp_path):
    plan = dataclasses.replace(TOY, max_trials=8)  # whose portfolio is tried before anything is drawn
    result = search(
        toy_table(), plan, observer=recorder, work_folder=tmp_path, should_stop=lambda: len(recorder.trials) >= 3
    )
    assert [trial.params["mood"] for trial in recorder.trials] == ["steady", "raises", "dies"]
    assert [trial.state for trial in recorder.trials] == ["complete", "failed", "failed"]
    assert result.hyperparameters["mood"] == "steady"


@pytest.mark.parametrize(
    ("mood", "words", "budget_s"),
    [
        ("raises", "does not fit", 30.0),
        ("dies", "SIGKILL", 30.0),
        ("eats", "memory", 30.0),
    ],
)
def test_no_success_at_all_says_why(toy_family, recorder, tmp_path, mood, words, budget_s):
    before = set(psutil.Process().children())  # services of other tests
    cap_mb = psutil.Process().memory_info().rss / 2**20 + 250
    plan = dataclasses.replace(
        TOY, hyperparameters={"mood": mood}, budget_s=budget_s, memory_cap_mb=cap_mb, max_trials=1
    )
    with pytest.raises(NoSuccessfulTrial, match=words):
        search(toy_table(), plan, observer=recorder, work_folder=tmp_path)
    assert set(psutil.Process().children()) <= before


def test_a_trial_that_hangs_for_the_whole_time_leaves_the_baseline(toy_family, recorder, tmp_path):
    before = set(psutil.Process().children())  # services of other tests
    plan = dataclasses.replace(TOY, hyperparameters={"mood": "hangs"}, budget_s=2.0, max_trials=1)
    result = search(toy_table(), plan, observer=recorder, work_folder=tmp_path)
    assert result.algorithm == "baseline"
    assert "longer than the time" in result.candidates[0].message
    assert set(psutil.Process().children()) <= before


def test_limits_on_latency_and_size_choose_the_winner(messy, recorder, tmp_path):
    impossible = dataclasses.replace(MESSY, max_predict_latency_ms=1e-6, max_trials=2)
    with pytest.raises(NoSuccessfulTrial, match="latency"):
        search(messy, impossible, observer=recorder, work_folder=tmp_path)


def test_what_an_observer_raises_ends_the_search_and_its_processes(toy_family, recorder, tmp_path):
    def refuse(trial):
        raise KeyboardInterrupt

    before = set(psutil.Process().children())  # services of other tests
    recorder.trial = refuse
    with pytest.raises(KeyboardInterrupt):
        search(toy_table(), TOY, observer=recorder, work_folder=tmp_path)
    assert set(psutil.Process().children()) <= before


def test_a_search_that_is_told_to_stop_gives_its_best(toy_family, recorder, tmp_path):
    plan = dataclasses.replace(TOY, max_trials=1000, hyperparameters={"mood": "steady"})
    result = search(
        toy_table(), plan, observer=recorder, work_folder=tmp_path, should_stop=lambda: len(recorder.trials) >= 2
    )
    assert len(recorder.trials) == 2
    assert result.score == min(trial.score for trial in result.candidates)


def test_a_trial_that_cannot_end_in_time_is_not_waited_for(toy_family, recorder, tmp_path):
    plan = dataclasses.replace(TOY, max_trials=None, budget_s=4.0, parallel_trials=2, hyperparameters={"pause_s": 0.05})
    started = time.monotonic()
    result = search(toy_table(), plan, observer=recorder, work_folder=tmp_path, deadline=started + 4.0)
    assert result.algorithm in ("toy", "ensemble")
    assert "hangs" in {trial.params["mood"] for trial in recorder.trials}


def test_bad_input_is_refused_before_any_process_starts(messy, recorder, tmp_path):
    with pytest.raises(InvalidInput):
        search(messy, dataclasses.replace(MESSY, target="gone"), observer=recorder, work_folder=tmp_path)
    assert recorder.trials == []


SCRIPT = """
import dataclasses, sys
from pathlib import Path
from studio.automl.search import search
from tests.automl.conftest import Recorder
from tests.automl.test_search import TOY, toy_table

class Printer(Recorder):
    def trial(self, trial):
        print(trial.number, flush=True)

plan = dataclasses.replace(TOY, max_trials=6, hyperparameters={"mood": "steady", "pause_s": 0.1})
search(toy_table(), plan, observer=Printer(), work_folder=Path(sys.argv[1]))
"""


def test_a_killed_search_goes_on_where_it_was(toy_family, recorder, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    path = os.pathsep.join([str(toy_family), *filter(None, sys.path)])
    first = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(work)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert [first.stdout.readline().strip() for _ in range(2)] == ["0", "1"]
    while '"number":2' not in (work / "journal.log").read_text():
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.wait()
    with open(work / "journal.log", "a") as journal:
        journal.write('{"op_code":9,"torn')
    plan = dataclasses.replace(TOY, max_trials=6, hyperparameters={"mood": "steady", "pause_s": 0.0})
    result = search(toy_table(), plan, observer=recorder, work_folder=work)
    assert [trial.number for trial in recorder.trials] == [2, 3, 4, 5]
    assert [trial.number for trial in result.candidates if trial.algorithm == "toy"] == [0, 1, 2, 3, 4, 5]
    assert len({trial.params["shift"] for trial in result.candidates if trial.algorithm == "toy"}) == 6
