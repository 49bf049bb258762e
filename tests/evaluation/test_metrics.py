"""The catalogue's metrics equal scikit-learn's, are None where undefined, and have intervals that cover."""

import numpy as np
import pytest
from sklearn import metrics as reference

from studio.errors import UnknownMetric
from studio.evaluation.metrics import (
    METRICS,
    bootstrap_intervals,
    compute_metrics,
    direction_of,
    is_better,
    metric_names,
    primary_metric,
    score_codes,
    score_numbers,
)


def classified(n_classes, n_rows=400, seed=0):
    """Codes, labels, probabilities with ties, and predictions."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(n_classes, size=n_rows)
    proba = rng.dirichlet(np.ones(n_classes), size=n_rows)
    proba[np.arange(n_rows), codes] += 0.4
    proba = np.round(proba / proba.sum(axis=1, keepdims=True), 1) + 0.01
    proba /= proba.sum(axis=1, keepdims=True)
    return codes, proba, proba.argmax(axis=1), [f"class {k}" for k in range(n_classes)]


def named(codes, labels):
    return np.array(labels, dtype=object)[codes]


def test_two_classes_are_those_of_the_positive_label():
    codes, proba, pred, labels = classified(2)
    found = compute_metrics("classification", named(codes, labels), named(pred, labels), proba, labels)
    assert found == pytest.approx(
        {
            "accuracy": reference.accuracy_score(codes, pred),
            "precision": reference.precision_score(codes, pred),
            "recall": reference.recall_score(codes, pred),
            "f1_score": reference.f1_score(codes, pred),
            "log_loss": reference.log_loss(codes, proba),
            "roc_auc": reference.roc_auc_score(codes, proba[:, 1]),
            "pr_auc": reference.average_precision_score(codes, proba[:, 1]),
            "balanced_accuracy": reference.balanced_accuracy_score(codes, pred),
            "mcc": reference.matthews_corrcoef(codes, pred),
            "brier": reference.brier_score_loss(codes, proba[:, 1]),
        }
    )


def test_more_classes_are_weighted_or_macro():
    codes, proba, pred, labels = classified(4)
    found = compute_metrics("classification", named(codes, labels), named(pred, labels), proba, labels)
    onehot = np.eye(4)[codes]
    assert found == pytest.approx(
        {
            "accuracy": reference.accuracy_score(codes, pred),
            "precision": reference.precision_score(codes, pred, average="weighted"),
            "recall": reference.recall_score(codes, pred, average="weighted"),
            "f1_score": reference.f1_score(codes, pred, average="weighted"),
            "log_loss": reference.log_loss(codes, proba),
            "roc_auc": reference.roc_auc_score(codes, proba, multi_class="ovr"),
            "pr_auc": reference.average_precision_score(onehot, proba),
            "balanced_accuracy": reference.balanced_accuracy_score(codes, pred),
            "mcc": reference.matthews_corrcoef(codes, pred),
            "brier": float(((proba - onehot) ** 2).sum(axis=1).mean()),
        }
    )


def test_the_positive_label_can_be_the_first():
    codes, proba, pred, labels = classified(2)
    truth, said = named(codes, labels), named(pred, labels)
    found = compute_metrics("classification", truth, said, proba, labels, positive_label=labels[0])
    assert found["recall"] == pytest.approx(reference.recall_score(codes, pred, pos_label=0))
    assert found["roc_auc"] == pytest.approx(reference.roc_auc_score(codes == 0, proba[:, 0]))


def test_one_class_alone_leaves_what_needs_two_undefined():
    proba = np.array([[0.9, 0.1], [0.8, 0.2]])
    found = compute_metrics("classification", ["no", "no"], ["no", "no"], proba, ["no", "yes"])
    undefined = {name for name, value in found.items() if value is None}
    assert undefined == {"precision", "recall", "f1_score", "roc_auc", "pr_auc", "mcc"}
    assert found["accuracy"] == 1.0


def test_the_same_answer_to_everything_is_not_correlated():
    found = compute_metrics("classification", ["a", "b", "b"], ["b", "b", "b"], labels=["a", "b"])
    assert found["mcc"] == 0.0
    assert found["precision"] == pytest.approx(2 / 3)


def test_without_probabilities_their_metrics_are_none():
    found = compute_metrics("classification", ["a", "b"], ["a", "a"], labels=["a", "b"])
    assert [found[name] for name in ("log_loss", "roc_auc", "pr_auc", "brier")] == [None] * 4


def test_no_rows_give_no_values():
    assert set(compute_metrics("classification", [], [], labels=["a", "b"]).values()) == {None}
    assert set(compute_metrics("regression", [], []).values()) == {None}
    assert bootstrap_intervals("regression", [], []) == {}


def test_a_label_the_model_does_not_know_counts_as_missed():
    proba = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])
    found = compute_metrics("classification", ["a", "b", "new"], ["a", "b", "a"], proba, ["a", "b"])
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["log_loss"] > 10


def test_regression_equals_the_reference():
    rng = np.random.default_rng(1)
    true = rng.normal(size=300) + 1e6
    pred = true + rng.normal(size=300)
    found = compute_metrics("regression", true, pred, n_features=7)
    r2 = reference.r2_score(true, pred)
    assert found == pytest.approx(
        {
            "mae": reference.mean_absolute_error(true, pred),
            "mse": reference.mean_squared_error(true, pred),
            "rmse": reference.root_mean_squared_error(true, pred),
            "r2": r2,
            "adjusted_r2": 1 - (1 - r2) * 299 / 292,
        }
    )


def test_regression_of_a_constant_or_few_rows_has_no_r2():
    assert compute_metrics("regression", [1.0, 1.0], [1.0, 2.0], n_features=1)["r2"] is None
    assert compute_metrics("regression", [1.0, 2.0], [1.0, 2.0], n_features=1)["adjusted_r2"] is None
    assert compute_metrics("regression", [1.0, 2.0], [1.0, np.inf])["mse"] is None


def test_forecasts_leave_zeros_out_of_the_percentage():
    found = compute_metrics("time_series", [0.0, 10.0, 20.0], [1.0, 11.0, 18.0], naive_error=2.0)
    assert found["mape"] == pytest.approx(10.0)
    assert found["smape"] == pytest.approx((200 + 100 / 10.5 + 200 / 19) / 3)
    assert found["mase"] == pytest.approx(4 / 3 / 2)
    assert compute_metrics("time_series", [0.0], [1.0])["mape"] is None


def test_directions_hold_outside_the_catalogue_too():
    assert direction_of("custom_loss") == direction_of("reconstruction_error") == direction_of("rmse") == "min"
    assert direction_of("hit_rate") == direction_of("roc_auc") == "max"
    assert is_better("rmse", 1.0, 2.0)
    assert is_better("roc_auc", 0.9, None)
    assert not is_better("roc_auc", None, 0.1)
    assert not is_better("roc_auc", 0.5, 0.5)


def test_the_catalogue_names_a_primary_metric_of_each_task():
    for task in ("classification", "regression", "time_series", "clustering"):
        assert primary_metric(task) in metric_names(task)
    assert primary_metric("classification", 3) == "log_loss"
    assert len({metric.name for metric in METRICS}) == len(METRICS) == 21


def test_intervals_hold_the_value_and_narrow_with_the_rows():
    widths = []
    for n_rows in (300, 9_000, 40_000):  # the last is resampled in part
        codes, proba, pred, labels = classified(2, n_rows)
        truth, said = named(codes, labels), named(pred, labels)
        value = compute_metrics("classification", truth, said, proba, labels)["roc_auc"]
        low, high = bootstrap_intervals("classification", truth, said, proba, labels, n_resamples=100)["roc_auc"]
        assert low < value < high
        widths.append(high - low)
    assert widths[0] / widths[1] == pytest.approx(np.sqrt(30), rel=0.35)
    assert widths[0] / widths[2] == pytest.approx(np.sqrt(400 / 3), rel=0.35)


def test_an_interval_is_that_of_the_mean():
    rng = np.random.default_rng(2)
    true = np.zeros(2_000)
    errors = rng.exponential(size=2_000)
    low, high = bootstrap_intervals("regression", true, errors, n_resamples=400)["mae"]
    half = 1.96 * errors.std() / np.sqrt(2_000)
    assert (low, high) == pytest.approx((errors.mean() - half, errors.mean() + half), abs=half / 4)


def test_intervals_repeat_with_the_seed_and_leave_out_the_undefined():
    arguments = ("classification", ["a"] * 30, ["a"] * 30)
    first = bootstrap_intervals(*arguments, labels=["a", "b"], random_state=5)
    assert first == bootstrap_intervals(*arguments, labels=["a", "b"], random_state=5)
    assert "recall" not in first
    assert first["accuracy"] == (1.0, 1.0)


def test_single_scores_are_those_of_the_catalogue():
    codes, proba, pred, labels = classified(3)
    every = compute_metrics("classification", named(codes, labels), named(pred, labels), proba, labels)
    for name in metric_names("classification"):
        assert score_codes(name, codes, pred, proba, 3, 1) == pytest.approx(every[name])
    true = np.array([1.0, 2.0, 4.0, 3.0])
    assert score_numbers("r2", true, true + 0.1, 1) == compute_metrics("regression", true, true + 0.1)["r2"]
    with pytest.raises(UnknownMetric):
        score_numbers("roc_auc", true, true, 1)


def test_mase_weighs_each_row_by_the_naive_error_of_its_series():
    true, pred = np.array([10.0, 1000.0, 5.0]), np.array([12.0, 1300.0, 9.0])
    naive = np.array([4.0, 100.0, np.nan])  # nothing is known of the last one's series
    found = compute_metrics("time_series", true, pred, naive_error=naive)
    assert found["mase"] == pytest.approx((0.5 + 3.0) / 2)
    low, high = bootstrap_intervals("time_series", true, pred, naive_error=naive)["mase"]
    assert 0.5 <= low <= high <= 3.0
    assert compute_metrics("time_series", true, pred, naive_error=np.zeros(3))["mase"] is None
