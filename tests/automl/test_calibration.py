"""Probabilities are adjusted and decided on where the metric gains by it on rows that were held out."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from studio.automl.calibration import Calibration, calibrate
from studio.automl.plan import Plan
from studio.automl.search import search
from studio.evaluation.metrics import score_codes


def scored(metric, codes, n_classes=2):
    return lambda outputs, rows: score_codes(metric, codes[rows], outputs.argmax(axis=1), outputs, n_classes, 1)


def overconfident(n_rows=2000, power=3.0):
    rng = np.random.default_rng(0)
    p = rng.uniform(0.02, 0.98, n_rows)
    codes = (rng.random(n_rows) < p).astype(np.int64)
    proba = np.column_stack([1 - p, p]) ** power
    return proba / proba.sum(axis=1, keepdims=True), codes


def test_overconfidence_is_softened_and_says_so():
    proba, codes = overconfident()
    found = calibrate(proba, codes, scored("log_loss", codes), "log_loss", 0)
    assert found.temperature == pytest.approx(2.5, rel=0.2)
    rows = np.arange(len(codes))
    score = scored("log_loss", codes)
    assert score(found.adjust(proba), rows) < score(proba, rows)
    np.testing.assert_allclose(found.adjust(proba).sum(axis=1), 1.0)


def test_what_is_right_already_stays_nearly_as_it_is():
    proba, codes = overconfident(power=1.0)
    found = calibrate(proba, codes, scored("log_loss", codes), "log_loss", 0)
    assert found.temperature == pytest.approx(1.0, abs=0.15)


def test_a_rare_class_is_decided_for_sooner():
    rng = np.random.default_rng(0)
    p = rng.beta(1, 9, 4000)
    codes = (rng.random(4000) < p).astype(np.int64)
    proba = np.column_stack([1 - p, p])
    found = calibrate(proba, codes, scored("balanced_accuracy", codes), "balanced_accuracy", 0)
    assert found.scales[1] > found.scales[0]
    assert found.decide(proba).sum() > 10 * Calibration().decide(proba).sum()


@pytest.mark.parametrize("metric", ["roc_auc", "accuracy", "recall", "precision"])
def test_other_metrics_leave_everything_alone(metric):
    proba, codes = overconfident()
    assert calibrate(proba, codes, scored(metric, codes), metric, 0) == Calibration()


def test_few_rows_say_too_little():
    proba, codes = overconfident(n_rows=60)
    assert calibrate(proba, codes, scored("log_loss", codes), "log_loss", 0) == Calibration()


def test_a_model_decides_as_it_was_evaluated(recorder, tmp_path):
    rng = np.random.default_rng(1)
    a = rng.normal(size=500)
    frame = pd.DataFrame({"a": a, "y": np.where(a + rng.normal(size=500) > 1.8, "rare", "usual")})
    plan = Plan(
        task="classification", target="y", column_types={"a": "number"}, algorithm="logistic_regression",
        metric="f1_score", imbalance="none", budget_s=None, max_trials=2,
    )  # fmt: skip
    result = search(frame, plan, observer=recorder, work_folder=tmp_path)
    test = result.splits["test"]
    model = result.estimator.named_steps["model"]
    assert model.calibration.scales is not None
    assert (result.estimator.predict(frame.iloc[test.row_index]) == test.y_pred).all()
    plain = dataclasses.replace(model.calibration, scales=None)
    labels = np.array(result.labels)
    assert (labels[plain.decide(test.proba)] == "rare").sum() < (test.y_pred == "rare").sum()
