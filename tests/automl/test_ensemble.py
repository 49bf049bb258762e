"""Candidates are weighed by what they add to each other."""

import numpy as np
import pytest

from studio.automl.ensemble import blend_candidates, weigh_candidates


def rmse_to(true):
    return lambda outputs: float(np.sqrt(np.mean((outputs - true) ** 2)))


def test_opposite_errors_cancel():
    true = np.arange(10.0)
    outputs = {3: true + 1.0, 5: true - 1.0, 8: true + 5.0}
    found = weigh_candidates(outputs, rmse_to(true), "rmse")
    assert found.weights == {3: 0.5, 5: 0.5}
    assert found.score == pytest.approx(0.0)


def test_weights_follow_need():
    true = np.zeros(4)
    outputs = {0: np.full(4, 1.0), 1: np.full(4, -2.0)}
    found = weigh_candidates(outputs, rmse_to(true), "rmse")
    assert found.weights == pytest.approx({0: 2 / 3, 1: 1 / 3})
    assert (found.first, found.score) == (0, pytest.approx(0.0))


def test_the_best_alone_stays_alone():
    true = np.zeros(4)
    found = weigh_candidates({0: np.full(4, 0.5), 1: np.full(4, 2.0)}, rmse_to(true), "rmse")
    assert (found.weights, found.score) == ({0: 1.0}, 0.5)


def test_no_time_still_gives_a_candidate():
    true = np.zeros(4)
    outputs = {0: np.full(4, 1.0), 1: np.full(4, -1.0)}
    assert weigh_candidates(outputs, rmse_to(true), "rmse", until=0.0).weights == {0: 1.0}


def blend(outputs, true, **more):
    settings = {"max_members": 8, "random_state": 0, **more}
    return blend_candidates(outputs, lambda found, rows: rmse_to(true[rows])(found), "rmse", **settings)


def test_a_blend_that_helps_on_other_rows_is_said_to():
    rng = np.random.default_rng(0)
    true = rng.normal(size=400)
    found = blend({number: true + rng.normal(size=400) for number in range(4)}, true)
    assert found.helps
    assert sum(found.weights.values()) == pytest.approx(1.0)
    assert all(0.15 < weight < 0.35 for weight in found.weights.values())


def test_a_blend_that_only_fits_its_own_rows_is_not():
    rng = np.random.default_rng(0)
    true = rng.normal(size=400)
    noise = {number: true + 5 * rng.normal(size=400) for number in range(1, 9)}
    assert not blend({0: true + 0.01, **noise}, true).helps


def test_a_blend_keeps_the_weightiest_members():
    rng = np.random.default_rng(0)
    true = rng.normal(size=400)
    found = blend({number: true + rng.normal(size=400) for number in range(12)}, true, max_members=5)
    assert len(found.weights) == 5
    assert sum(found.weights.values()) == pytest.approx(1.0)
    assert list(found.weights.values()) == sorted(found.weights.values(), reverse=True)
