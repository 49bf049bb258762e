"""Families that hang, run out of memory or end the interpreter, at every stage of a search: each costs itself alone."""

import dataclasses
import os
import pickle

import numpy as np
import psutil
import pytest

from studio.automl.result import Footprint
from studio.automl.search import search
from tests.automl.test_search import MESSY, TOY, toy_table
from tests.plugins import installed_family

ENDS = {"raises": "does not fit", "dies": "SIGKILL", "exits": "ended by itself", "faults": "SIGSEGV", "eats": "memory"}


@pytest.fixture
def families(tmp_path, toy_family):
    with installed_family(tmp_path / "bagged", "bagged_toy", "tests.automl.toy_family:BaggedToyFamily"):
        yield


@pytest.fixture(autouse=True)
def no_process_is_left():
    before = set(psutil.Process().children())
    yield
    assert set(psutil.Process().children()) <= before


def cap_mb():
    return psutil.Process(os.getpid()).memory_info().rss / 2**20 + 250


@pytest.mark.parametrize("mood", ENDS)
def test_a_trial_that_misbehaves_says_how_it_ended(toy_family, recorder, tmp_path, mood):
    plan = dataclasses.replace(
        TOY, algorithm="auto", hyperparameters={"mood": mood}, max_trials=2, memory_cap_mb=cap_mb()
    )
    result = search(toy_table(), plan, observer=recorder, work_folder=tmp_path)
    [bad] = [trial for trial in result.candidates if trial.algorithm == "toy"]
    assert bad.state == "failed"
    assert ENDS[mood] in bad.message
    assert result.algorithm != "toy"


@pytest.mark.parametrize("mood", ENDS)
def test_a_repeat_that_misbehaves_leaves_the_candidate_as_it_was(families, recorder, tmp_path, mood):
    plan = dataclasses.replace(
        TOY, algorithm="bagged_toy", hyperparameters={"mood": mood, "stage": "repeat"}, memory_cap_mb=cap_mb(),
        max_trials=12,
    )  # fmt: skip
    result = search(toy_table(), plan, observer=recorder, work_folder=tmp_path)
    assert not any(trial.state == "failed" for trial in recorder.trials)
    assert any("repeat" in message and ENDS[mood] in message for _, message in recorder.logs)
    assert result.estimator is not None


@pytest.mark.parametrize("mood", ENDS)
def test_a_final_fit_that_misbehaves_leaves_the_fold_models(toy_family, recorder, tmp_path, mood):
    plan = dataclasses.replace(TOY, hyperparameters={"mood": mood, "stage": "refit"}, memory_cap_mb=cap_mb())
    result = search(toy_table(), plan, observer=recorder, work_folder=tmp_path)
    assert any("the final fit" in message and ENDS[mood] in message for _, message in recorder.logs)
    assert result.algorithm in ("toy", "ensemble")


@pytest.mark.parametrize("mood", ENDS)
def test_a_model_that_cannot_be_evaluated_gives_way_to_the_next(toy_family, recorder, tmp_path, mood):
    rng = np.random.default_rng(1)
    frame = toy_table()
    frame["y"] = 100 + 5 * np.sin(9 * frame["a"]) + rng.normal(size=len(frame))  # which no other family learns
    plan = dataclasses.replace(
        TOY, algorithm="auto", max_trials=4, memory_cap_mb=cap_mb(),
        hyperparameters={"mood": mood, "stage": "final", "shift": 0.0, "wave": 5.0},
    )  # fmt: skip
    result = search(frame, plan, observer=recorder, work_folder=tmp_path)
    used = [result.algorithm, *(member["algorithm"] for member in result.hyperparameters.get("members", ()))]
    assert "toy" not in used
    barred = [message for _, message in recorder.logs if "toy cannot win: it could not be evaluated" in message]
    assert any(ENDS[mood] in message for message in barred)


def test_no_model_that_can_be_evaluated_says_why(toy_family, recorder, tmp_path):
    plan = dataclasses.replace(TOY, hyperparameters={"mood": "faults", "stage": "final"})
    with pytest.raises(
        Exception, match="No candidate is usable; the last: it could not be evaluated: its process was ended by SIGSEGV"
    ):
        search(toy_table(), plan, observer=recorder, work_folder=tmp_path)


def size_mb_of(result):
    return len(pickle.dumps(result.estimator, protocol=5)) / 2**20


def test_the_whole_model_keeps_the_limits(messy, recorder, tmp_path):
    free = dataclasses.replace(MESSY, max_trials=5)
    (tmp_path / "free").mkdir()
    result = search(messy, free, observer=recorder, work_folder=tmp_path / "free")
    sizes = sorted(trial.footprint.size_mb for trial in result.candidates if trial.footprint.size_mb)
    limit = sizes[len(sizes) // 2]
    whole_mb = size_mb_of(result)
    assert limit < whole_mb
    (tmp_path / "tight").mkdir()
    tight = dataclasses.replace(free, max_model_mb=limit)
    result = search(messy, tight, observer=recorder, work_folder=tmp_path / "tight")
    winner = next(trial for trial in reversed(result.candidates) if trial.algorithm == result.algorithm)
    assert winner.footprint.size_mb is not None
    assert size_mb_of(result) <= limit
    lost = [trial for trial in result.candidates if trial.footprint.size_mb and trial.footprint.size_mb > limit]
    assert lost
    assert all("cannot win" in trial.message for trial in lost)

    limit = 0.9 * whole_mb  # each trial's own model keeps it
    assert sizes[-1] < limit
    (tmp_path / "whole").mkdir()
    tight = dataclasses.replace(free, max_model_mb=limit)
    result = search(messy, tight, observer=recorder, work_folder=tmp_path / "whole")
    assert size_mb_of(result) <= limit


def test_a_limit_that_is_broken_is_named():
    plan = dataclasses.replace(MESSY, max_predict_latency_ms=5.0, max_model_mb=1.0)
    assert Footprint(4.0, 1.0).broken_limit(plan) == ""
    assert Footprint(6.0, 0.5).broken_limit(plan) == "6 ms per prediction, 5 are allowed"
    assert Footprint(4.0, None).broken_limit(plan) == "unknown MB, 1 are allowed"
