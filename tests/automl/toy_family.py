"""A family for tests whose fits do what its one hyperparameter says."""

import os
import signal
import time

import numpy as np

from studio.automl.estimators import EstimatorFamily
from studio.automl.spaces import Choice, FloatRange

MOODS = ("steady", "raises", "dies", "eats", "hangs")


class MeanModel:
    """Predicts the mean of the training target, moved by a shift."""

    def __init__(self, mean, shift):
        self.mean, self.shift = mean, shift

    def predict(self, X):
        return np.full(len(X), self.mean + self.shift)


class ToyFamily(EstimatorFamily):
    name = "toy"
    tasks = frozenset({"regression"})
    cost = 1
    accepts_missing = True

    def space(self, task):
        return {"mood": Choice(MOODS), "shift": FloatRange(-1.0, 1.0)}

    def default(self, task):
        return {"mood": "steady", "shift": 0.5}

    def portfolio(self, task):
        return [{"mood": mood} for mood in MOODS[1:]]

    def estimator_class(self, task):
        return dict

    def parameter_names(self, task):
        return frozenset({"mood", "shift", "pause_s"})

    def fit(self, params, rows, context):
        mood = params["mood"]
        if mood == "raises":
            raise ValueError("this configuration does not fit")
        if mood == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if mood == "eats":
            hoard = np.ones(500_000_000 // 8)
            time.sleep(60)
            del hoard
        if mood == "hangs":
            os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "987")  # a child of the trial must go with it
            time.sleep(60)
        time.sleep(params.get("pause_s", 0.0))
        return MeanModel(float(rows.y.mean()), params["shift"])
