"""A family for tests whose fits do what its one hyperparameter says."""

import ctypes
import os
import signal
import time

import numpy as np
from sklearn.base import BaseEstimator

from studio.automl.estimators import EstimatorFamily
from studio.automl.spaces import Choice, FloatRange

MOODS = ("steady", "raises", "dies", "eats", "hangs", "exits", "faults")
STAGES = ("fit", "repeat", "refit", "final")
MANY_ROWS = 25  # more than a fold of a small table holds out
SEED = 42  # of the first draw of the folds


class MeanModel(BaseEstimator):
    """Predicts the mean of the training target, moved by a shift and by a wave over the first column."""

    def __init__(self, mood="steady", shift=0.5, stage="fit", pause_s=0.0, wave=0.0):
        self.mood, self.shift, self.stage, self.pause_s, self.wave = mood, shift, stage, pause_s, wave

    def predict(self, X):
        if self.stage == "final" and len(X) > MANY_ROWS:
            misbehave(self.mood)
        return self.mean_ + self.shift + self.wave * np.sin(9 * np.asarray(X, dtype=float)[:, 0])


def misbehave(mood):
    """Do to the process what the mood says."""
    if mood == "raises":
        raise ValueError("this configuration does not fit")
    if mood == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if mood == "exits":
        os._exit(3)
    if mood == "faults":
        ctypes.string_at(0)
    if mood == "eats":
        hoard = np.ones(500_000_000 // 8)
        time.sleep(60)
        del hoard
    if mood == "hangs":
        os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "987")  # a child of the trial must go with it
        time.sleep(60)


class ToyFamily(EstimatorFamily):
    name = "toy"
    tasks = frozenset({"regression"})
    cost = 1
    accepts_missing = True

    def space(self, task):
        return {"mood": Choice(MOODS), "shift": FloatRange(-1.0, 1.0)}

    def default(self, task):
        return {"mood": "steady", "shift": 0.5, "stage": "fit", "pause_s": 0.0, "wave": 0.0}

    def portfolio(self, task):
        return [{"mood": mood} for mood in MOODS[1:]]

    def estimator_class(self, task):
        return MeanModel

    def fit(self, params, rows, context):
        stage = params["stage"]
        is_now = {"fit": True, "repeat": context.random_state != SEED, "refit": context.validation is None}
        if is_now.get(stage, False):
            misbehave(params["mood"])
        time.sleep(params["pause_s"])
        model = MeanModel(**params)
        model.mean_ = float(rows.y.mean())
        return model


class BaggedToyFamily(ToyFamily):
    """The same, with its fold models as the final fit."""

    name = "bagged_toy"
    is_bagged = True
