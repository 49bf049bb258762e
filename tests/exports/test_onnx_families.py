"""Every family's estimators as ONNX, on every kind of column: what the graph answers is what the pipeline answers."""

from dataclasses import replace

import numpy as np
import pytest

from studio.automl.calibration import Calibration
from studio.automl.columns import ColumnReader
from studio.automl.plan import Preprocessing
from studio.automl.targets import LogTarget
from studio.exports.onnx.graph import CannotConvert
from studio.exports.onnx.inputs import feeds_of
from tests.exports.pipelines import TYPES, fit_clusters, fit_member, fit_pipeline, pipeline_of

TREES = ("lightgbm", "xgboost", "hist_gradient_boosting", "random_forest", "extra_trees")
SINGLE = {"xgboost": 1e-6}  # it computes in single precision


def is_same(found, family=""):
    """Whether what remains is rounding: of double precision, or of the family's own single precision."""
    return found.max_difference <= found.tolerance / 1e-5 * SINGLE.get(family, 1e-12)


@pytest.mark.parametrize("target", ["late", "class", "hours"])
@pytest.mark.parametrize("family", TREES)
def test_trees(family, target, frame, compare):
    found = compare(fit_pipeline(family, frame, target), frame)
    assert is_same(found, family), found
    assert found.rows == len(frame)


@pytest.mark.parametrize("target", ["late", "class", "hours"])
@pytest.mark.parametrize("params", [{"activation": "relu"}, {"activation": "tanh", "n_layers": 4}])
def test_networks(params, target, frame, compare):
    assert is_same(compare(fit_pipeline("neural_network", frame, target, params=params), frame))


@pytest.mark.parametrize(
    ("family", "params"),
    [
        ("kmeans", {}),
        ("gaussian_mixture", {"covariance_type": "full"}),
        ("gaussian_mixture", {"covariance_type": "tied"}),
        ("gaussian_mixture", {"covariance_type": "diag"}),
        ("gaussian_mixture", {"covariance_type": "spherical"}),
    ],
)
def test_clusters(family, params, frame, compare, session):
    pipeline = fit_clusters(family, frame, **params)
    assert compare(pipeline, frame).max_difference == 0
    assert len(set(pipeline.predict(frame))) > 1
    assert session(pipeline).get_outputs()[0].type == "tensor(int64)"


def test_clusters_of_neighbours_have_no_form(frame, compare):
    with pytest.raises(CannotConvert, match=r"^NearestCluster$"):
        compare(fit_clusters("hdbscan", frame), frame)


@pytest.mark.parametrize("target", ["late", "class"])
def test_logistic_regression(target, frame, compare):
    assert is_same(compare(fit_pipeline("logistic_regression", frame, target), frame))


@pytest.mark.parametrize("params", [{"l1_ratio": 0.0}, {"l1_ratio": 0.5, "alpha": 0.01}, {"fit_intercept": False}])
def test_linear_regression(params, frame, compare):
    assert is_same(compare(fit_pipeline("linear_regression", frame, "hours", params=params), frame))


@pytest.mark.parametrize("target", ["late", "class", "hours"])
@pytest.mark.parametrize("categories", ["onehot", "ordinal", "target"])
def test_every_encoding_of_categories(categories, target, frame, compare):
    wanted = Preprocessing(handle_missing="median", encode_categories=categories, max_categories=7)
    assert is_same(compare(fit_pipeline("lightgbm", frame, target, preprocessing=wanted), frame))


@pytest.mark.parametrize("missing", ["mean", "most_frequent", "constant", "drop"])
def test_every_way_to_fill_gaps(missing, frame, compare):
    wanted = Preprocessing(handle_missing=missing)
    for family in ("lightgbm", "logistic_regression"):
        assert is_same(compare(fit_pipeline(family, frame, "late", preprocessing=wanted), frame))


@pytest.mark.parametrize("categories", ["onehot", "ordinal", "target"])
def test_linear_models_on_every_encoding(categories, frame, compare):
    wanted = Preprocessing(encode_categories=categories)
    assert is_same(compare(fit_pipeline("logistic_regression", frame, "class", preprocessing=wanted), frame))


@pytest.mark.parametrize(
    ("family", "params"),
    [
        ("lightgbm", {"objective": "poisson"}),
        ("lightgbm", {"objective": "regression_l1"}),
        ("lightgbm", {"extra_trees": True, "max_cat_to_onehot": 1}),
        ("xgboost", {"objective": "count:poisson"}),
        ("xgboost", {"objective": "reg:absoluteerror", "max_cat_to_onehot": 1}),
        ("xgboost", {"num_parallel_tree": 3}),
        ("hist_gradient_boosting", {"loss": "poisson"}),
        ("hist_gradient_boosting", {"loss": "absolute_error"}),
        ("random_forest", {"criterion": "absolute_error", "max_leaf_nodes": 20}),
    ],
)
def test_hyperparameters_that_change_the_outputs(family, params, frame, compare):
    positive = frame.assign(hours=frame["hours"] - frame["hours"].min() + 1)
    assert is_same(compare(fit_pipeline(family, positive, "hours", params=params), positive), family)


@pytest.mark.parametrize(
    ("family", "target", "params", "told"),
    [
        ("lightgbm", "hours", {"linear_tree": True}, "LightGBM with linear trees"),
        ("lightgbm", "late", {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, "LightGBM with"),
        ("lightgbm", "class", {"objective": "multiclassova"}, "multiclassova"),
        ("xgboost", "hours", {"booster": "dart"}, "XGBoost's dart"),
        ("xgboost", "hours", {"booster": "gblinear", "feature_types": None, "tree_method": None}, "gblinear"),
    ],
)
def test_what_has_no_form_is_named(family, target, params, told, frame, compare):
    wanted = Preprocessing(encode_categories="onehot", handle_missing="median")
    pipeline = fit_pipeline(family, frame, target, params=params, preprocessing=wanted)
    with pytest.raises(CannotConvert, match=told):
        compare(pipeline, frame)


@pytest.mark.parametrize("target", ["class", "hours"])
def test_a_blend_of_families(target, frame, compare):
    reader = ColumnReader(TYPES).fit(frame)
    linear = "linear_regression" if target == "hours" else "logistic_regression"
    members = [fit_member(name, reader, frame, target) for name in ("lightgbm", "extra_trees", linear)]
    pipeline = pipeline_of(frame, target, *members, members[0], weights=[0.4, 0.3, 0.2, 0.1], reader=reader)
    assert is_same(compare(pipeline, frame))


def test_members_that_miss_classes(frame, compare):
    reader = ColumnReader(TYPES).fit(frame)
    two, one = (np.flatnonzero(frame["class"].isin(kept)) for kept in ([0, 2], [1]))
    members = [fit_member("lightgbm", reader, frame, "class", rows=rows) for rows in (one, two)]
    assert members[0].estimator is None
    assert is_same(compare(pipeline_of(frame, "class", *members, weights=[0.3, 0.7], reader=reader), frame))


def test_trees_that_never_split(frame, compare):
    flat = fit_pipeline("lightgbm", frame, "hours", params={"min_child_samples": 10_000})
    assert is_same(compare(flat, frame))


@pytest.mark.parametrize(
    "calibration", [Calibration(temperature=1.7), Calibration(temperature=0.6), Calibration(scales=(3.0, 0.2, 1.0))]
)
def test_calibrated_probabilities_and_decisions(calibration, frame, compare, session):
    reader = ColumnReader(TYPES).fit(frame)
    member = fit_member("lightgbm", reader, frame, "class")
    pipeline = pipeline_of(frame, "class", member, reader=reader, calibration=calibration)
    assert compare(pipeline, frame).max_difference < 1e-12
    answers = session(pipeline).run(["prediction"], feeds_of(pipeline["columns"], frame))[0]
    assert (answers == pipeline.predict(frame)).all()


def test_a_target_learned_as_logarithms(frame, compare):
    frame["hours"] = np.exp(frame["hours"] / 3)
    reader, target = ColumnReader(TYPES).fit(frame), LogTarget.of(frame["hours"].to_numpy())
    logs = frame.assign(hours=target.forward(frame["hours"].to_numpy()))
    member = replace(fit_member("lightgbm", reader, logs, "hours"), target=replace(target, factor=1.3))
    assert compare(pipeline_of(frame, "hours", member, reader=reader), frame).max_difference < 1e-9
