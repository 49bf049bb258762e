"""A search killed at any moment goes on where it was, and finds what one that was never killed does."""

import dataclasses
import os
import pickle
import signal
import threading
import time

import numpy as np
import pytest

from studio.automl.search import search
from tests.automl.conftest import Recorder
from tests.automl.test_search import MESSY, TOY, toy_table

pytestmark = pytest.mark.slow  # searches in processes of their own, again and again
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


def search_in_child(frame, plan, folder, observer):
    """Whether the search came to its end; what it found, but for the model, then lies in the folder.

    To load a model here would leave a pool of threads behind that the next child could not use.
    """
    child = os.fork()
    if child == 0:
        try:
            result = search(frame, plan, observer=observer, work_folder=folder)
            told = [trial.number for trial in observer.trials]
            (folder / "told.pkl").write_bytes(pickle.dumps((told, dataclasses.replace(result, estimator=None))))
        finally:
            os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or (folder / "told.pkl").exists()
    return not os.WIFSIGNALED(status)


def facts_of(result):
    return [(t.number, t.algorithm, t.params, t.score, t.state, t.message) for t in result.candidates]


def test_killed_at_random_moments_it_finds_the_same(messy, tmp_path):
    plan = dataclasses.replace(QUICK, max_trials=9)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir(), cut.mkdir()
    started = time.monotonic()
    assert search_in_child(messy, plan, whole, Recorder())
    usual_s = time.monotonic() - started
    rng = np.random.default_rng(5)
    starts = 1
    while not search_in_child(messy, plan, cut, Doomed(9, rng.uniform(0.0, usual_s * starts / 6))):
        starts += 1
        assert starts < MOST_STARTS
    _, wanted = pickle.loads((whole / "told.pkl").read_bytes())
    _, found = pickle.loads((cut / "told.pkl").read_bytes())
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
    class Killed(Recorder):
        def log(self, level, message, **facts):
            if stage in message:
                os.kill(os.getpid(), signal.SIGKILL)

        def phase(self, phase, fraction, message):
            self.log("", message)

    is_explained = stage == "explaining"
    plan = dataclasses.replace(QUICK, max_trials=9, compute_shap=is_explained, ensemble=not is_explained)
    if search_in_child(messy, plan, tmp_path, Killed()):
        assert stage == "the ensemble"  # where one alone is better there is none
        return
    assert search_in_child(messy, plan, tmp_path, Recorder())
    told, result = pickle.loads((tmp_path / "told.pkl").read_bytes())
    assert told == []
    assert len([trial for trial in result.candidates if trial.algorithm == "lightgbm"]) == 9


def test_a_trial_that_its_run_was_cut_off_in_twice_is_given_up(toy_family, recorder, tmp_path):
    class Killed(Recorder):
        def phase(self, phase, fraction, message):
            super().phase(phase, fraction, message)
            if sum(told.startswith("trial 1 ") for _, _, told in self.phases) == 2:  # it was under way at the second
                os.kill(os.getpid(), signal.SIGKILL)

    plan = dataclasses.replace(TOY, max_trials=3, hyperparameters={"mood": "steady", "pause_s": 2.5})
    for _ in range(2):
        assert not search_in_child(toy_table(), plan, tmp_path, Killed())
    result = search(toy_table(), plan, observer=recorder, work_folder=tmp_path)
    assert [trial.number for trial in recorder.trials] == [2]
    assert [trial.state for trial in result.candidates[:3]] == ["complete", "failed", "complete"]
    assert "twice" in result.candidates[1].message


def test_a_last_resort_in_time_changes_nothing_of_what_is_tried(messy, recorder, tmp_path):
    plan = dataclasses.replace(QUICK, max_trials=6)
    found = []
    for name, deadline in (("free", None), ("late", time.monotonic() + 3600)):
        (tmp_path / name).mkdir()
        found.append(search(messy, plan, observer=recorder, work_folder=tmp_path / name, deadline=deadline))
    assert facts_of(found[0]) == facts_of(found[1])
    assert found[0].metrics == found[1].metrics
