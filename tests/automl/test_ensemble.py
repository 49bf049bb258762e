"""Candidates are weighed by what they add to each other."""

import numpy as np
import pytest

from studio.automl.ensemble import weigh_candidates


def rmse_to(true):
    return lambda outputs: float(np.sqrt(np.mean((outputs - true) ** 2)))


def test_opposite_errors_cancel():
    true = np.arange(10.0)
    outputs = {3: true + 1.0, 5: true - 1.0, 8: true + 5.0}
    weights, score = weigh_candidates(outputs, rmse_to(true), "rmse")
    assert weights == {3: 0.5, 5: 0.5}
    assert score == pytest.approx(0.0)


def test_weights_follow_need():
    true = np.zeros(4)
    outputs = {0: np.full(4, 1.0), 1: np.full(4, -2.0)}
    weights, score = weigh_candidates(outputs, rmse_to(true), "rmse")
    assert weights == pytest.approx({0: 2 / 3, 1: 1 / 3})
    assert score == pytest.approx(0.0)


def test_the_best_alone_stays_alone():
    true = np.zeros(4)
    weights, score = weigh_candidates({0: np.full(4, 0.5), 1: np.full(4, 2.0)}, rmse_to(true), "rmse")
    assert (weights, score) == ({0: 1.0}, 0.5)


def test_no_time_still_gives_a_candidate():
    true = np.zeros(4)
    outputs = {0: np.full(4, 1.0), 1: np.full(4, -1.0)}
    assert weigh_candidates(outputs, rmse_to(true), "rmse", until=0.0)[0] == {0: 1.0}
