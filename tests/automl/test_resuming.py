"""A search killed at any moment goes on where it was, and finds what one that was never killed does."""

import dataclasses
import multiprocessing
import os
import pickle
import signal
import threading
import time

import numpy as np
import pytest

from studio.automl.result import SearchResult
from studio.automl.search import search
from tests.automl.conftest import Recorder
from tests.automl.test_search import MESSY, TOY, toy_table

pytestmark = pytest.mark.slow  # searches in processes of their own, again and again
NEW_INTERPRETER = multiprocessing.get_context("spawn")
MOST_STARTS = 60
QUICK = dataclasses.replace(MESSY, hyperparameters={"n_estimators": 12})


class Doomed(Recorder):
    """Kills its process a while after the first news of this attempt: never twice in the same trial."""

    def __init__(self, n_trials, delay_s):
        super().__init__()
        self.n_trials, self.delay_s = n_trials, delay_s

    def log(self, level, message, **facts):
        super().log(level, message)
        if f"goes on after {self.n_trials} earlier trials" in message:
            self.arm()

    def trial(self, trial):
        super().trial(trial)
        if len(self.trials) == 1:
            self.arm()

    def arm(self):
        timer = threading.Timer(self.delay_s, os.kill, (os.getpid(), signal.SIGKILL))
        timer.daemon = True
        timer.start()


class DoomedAtStage(Recorder):
    """Kills its process where a message names the stage."""

    def __init__(self, stage):
        super().__init__()
        self.stage = stage

    def log(self, level, message, **facts):
        if self.stage in message:
            os.kill(os.getpid(), signal.SIGKILL)

    def phase(self, phase, fraction, message):
        self.log("", message)


class DoomedInTrial(Recorder):
    """Kills its process while trial 1 is under way."""

    def phase(self, phase, fraction, message):
        super().phase(phase, fraction, message)
        if sum(told.startswith("trial 1 ") for _, _, told in self.phases) == 2:  # it was under way at the second
            os.kill(os.getpid(), signal.SIGKILL)


@dataclasses.dataclass(frozen=True)
class Found:
    """What a search in a process of its own came to.

    Attributes:
        told: Numbers of the trials its observer heard of.
        result: Its result, but for the model.
        took_s: Seconds from its call to its return.
    """

    told: list
    result: SearchResult
    took_s: float


def search_and_keep(frame, plan, folder, observer, choices):
    started = time.monotonic()
    result = search(frame, plan, observer=observer, work_folder=folder, **choices)
    took_s = time.monotonic() - started
    told = [trial.number for trial in observer.trials]
    found = Found(told, dataclasses.replace(result, estimator=None), took_s)
    (folder / "found.pkl").write_bytes(pickle.dumps(found))


def search_in_child(frame, plan, folder, observer, **choices):
    """What the search found, None where its process was killed.

    A new interpreter each time: a fork of this one would hang where a booster's threads ran here before.
    """
    folder.mkdir(exist_ok=True)
    child = NEW_INTERPRETER.Process(target=search_and_keep, args=(frame, plan, folder, observer, choices))
    child.start()
    child.join()
    assert child.exitcode in (0, -signal.SIGKILL)
    return pickle.loads((folder / "found.pkl").read_bytes()) if child.exitcode == 0 else None


def facts_of(result):
    return [(t.number, t.algorithm, t.params, t.score, t.state, t.message) for t in result.candidates]


def test_killed_at_random_moments_it_finds_the_same(messy, tmp_path):
    plan = dataclasses.replace(QUICK, max_trials=9)
    whole = search_in_child(messy, plan, tmp_path / "whole", Recorder())
    rng = np.random.default_rng(5)
    starts = 1
    while True:
        doomed = Doomed(9, rng.uniform(0.0, whole.took_s * starts / 6))
        if cut := search_in_child(messy, plan, tmp_path / "cut", doomed):
            break
        starts += 1
        assert starts < MOST_STARTS
    wanted, found = whole.result, cut.result
    assert starts > 1
    assert facts_of(found) == facts_of(wanted)
    assert (found.algorithm, found.hyperparameters, found.score) == (
        wanted.algorithm,
        wanted.hyperparameters,
        wanted.score,
    )
    assert found.metrics == wanted.metrics


@pytest.mark.parametrize("stage", ["draws of the folds", "the ensemble", "evaluating", "explaining"])
def test_killed_after_its_trials_it_tries_none_again(messy, tmp_path, stage):
    is_explained = stage == "explaining"
    plan = dataclasses.replace(QUICK, max_trials=9, compute_shap=is_explained, ensemble=not is_explained)
    if search_in_child(messy, plan, tmp_path, DoomedAtStage(stage)):
        assert stage == "the ensemble"  # where one alone is better there is none
        return
    found = search_in_child(messy, plan, tmp_path, Recorder())
    assert found.told == []
    assert len([trial for trial in found.result.candidates if trial.algorithm == "lightgbm"]) == 9


def test_a_trial_that_its_run_was_cut_off_in_twice_is_given_up(toy_family, tmp_path):
    plan = dataclasses.replace(TOY, max_trials=3, hyperparameters={"mood": "steady", "pause_s": 2.5})
    for _ in range(2):
        assert not search_in_child(toy_table(), plan, tmp_path, DoomedInTrial())
    found = search_in_child(toy_table(), plan, tmp_path, Recorder())
    assert found.told == [2]
    assert [trial.state for trial in found.result.candidates[:3]] == ["complete", "failed", "complete"]
    assert "twice" in found.result.candidates[1].message


def test_a_last_resort_in_time_changes_nothing_of_what_is_tried(messy, tmp_path):
    plan = dataclasses.replace(QUICK, max_trials=6)
    found = []
    for name, deadline in (("free", None), ("late", time.monotonic() + 3600)):
        found.append(search_in_child(messy, plan, tmp_path / name, Recorder(), deadline=deadline).result)
    assert facts_of(found[0]) == facts_of(found[1])
    assert found[0].metrics == found[1].metrics
