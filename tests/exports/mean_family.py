"""A plugin's family that writes its estimators as ONNX itself, as its one hyperparameter says: well or badly."""

import os
import signal
import time

import numpy as np
from onnx import numpy_helper

from studio.automl.estimators import EstimatorFamily
from studio.automl.spaces import Choice

HOW = ("right", "wrong", "nothing", "raises", "dies", "eats", "hangs")


class MeanModel:
    """Predicts the mean of the training target."""

    def __init__(self, mean, how):
        self.mean, self.how = mean, how

    def predict(self, X):
        return np.full(len(X), self.mean)


class MeanFamily(EstimatorFamily):
    name = "mean"
    tasks = frozenset({"regression"})
    accepts_missing = True

    def space(self, task):
        return {"how": Choice(HOW)}

    def default(self, task):
        return {"how": "right"}

    def estimator_class(self, task):
        return dict

    def parameter_names(self, task):
        return frozenset({"how"})

    def fit(self, params, rows, context):
        return MeanModel(float(rows.y.mean()), params["how"])

    def add_to_onnx(self, estimator, graph, matrix):
        if type(estimator) is not MeanModel or estimator.how == "nothing":
            return None
        if estimator.how == "raises":
            raise KeyError("no such node")
        if estimator.how == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if estimator.how == "eats":
            hoard = np.ones(500_000_000 // 8)
            time.sleep(60)
            del hoard
        if estimator.how == "hangs":
            time.sleep(60)
        rows = graph.op("Gather", graph.op("Shape", matrix), graph.constant([0], np.int64))
        shape = graph.op("Concat", rows, graph.constant([1], np.int64), axis=0)
        zeros = graph.op("ConstantOfShape", shape, value=numpy_helper.from_array(np.zeros(1)))
        return graph.op("Add", zeros, graph.constant(estimator.mean * (1.01 if estimator.how == "wrong" else 1.0)))
