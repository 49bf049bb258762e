"""Clustering: the number of clusters is found, noise is told, and new rows are placed."""

import dataclasses
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score, silhouette_score
from threadpoolctl import threadpool_limits

from studio.automl.clusters import HDBSCANFamily
from studio.automl.estimators import FitContext, TrainingRows
from studio.automl.plan import Plan
from studio.automl.search import search
from studio.errors import ConfigIncomplete, TooFewRows, UnknownMetric
from studio.evaluation.cluster_scores import score_clusters
from studio.exports.pickles import write_pickle

TYPES = {"width": "number", "height": "number", "colour": "category"}
PLAN = Plan(task="clustering", target="", column_types=TYPES, budget_s=None, max_trials=6)


def blobs(n=240, *, seed=0):
    """Four groups in two numbers and a colour."""
    rng = np.random.default_rng(seed)
    group = np.arange(n) % 4
    centres = np.array([[0, 0], [10, 0], [0, 10], [10, 10]])[group]
    points = centres + rng.normal(0, 0.8, (n, 2))
    frame = pd.DataFrame(
        {"width": points[:, 0], "height": points[:, 1], "colour": np.array(["red", "blue"])[group // 2]}
    )
    return frame, group


@pytest.mark.parametrize("algorithm", ["auto", "kmeans", "gaussian_mixture", "hdbscan"])
def test_the_groups_of_a_table_are_found(recorder, tmp_path, algorithm):
    frame, group = blobs()
    frame.loc[::17, "width"] = None
    result = search(frame, dataclasses.replace(PLAN, algorithm=algorithm), observer=recorder, work_folder=tmp_path)
    assert result.metric == "silhouette"
    assert set(result.metrics) == {"train", "validation", "test"}
    assert all(value is not None for values in result.metrics.values() for value in values.values())
    assert result.labels is None
    assert result.intervals["test"] == {}
    assert algorithm in ("auto", result.algorithm)
    write_pickle(result.estimator, tmp_path / "model.pkl")
    with threadpool_limits(1):
        found = pickle.loads((tmp_path / "model.pkl").read_bytes()).predict(frame)
    assert found.dtype == np.int64
    known = frame["width"].notna()
    assert adjusted_rand_score(group[known], found[known]) > 0.95
    test = result.splits["test"]
    np.testing.assert_array_equal(found[test.row_index], test.y_pred)
    assert np.isnan(test.y_true).all()


def test_density_tells_noise_also_among_new_rows():
    frame, _ = blobs()
    X = frame[["width", "height"]].to_numpy()
    context = FitContext(task="clustering", metric="silhouette", n_classes=0, threads=1, random_state=0)
    family = HDBSCANFamily()
    with threadpool_limits(1):
        model = family.fit(family.default("clustering"), TrainingRows(X, np.zeros(len(X))), context)
        near, far = model.predict(np.array([[10.0, 10.0], [5.0, 5.0]]))
    assert near >= 0
    assert far == -1


def test_noise_cannot_lift_the_silhouette():
    frame, group = blobs()
    X = frame[["width", "height"]].to_numpy()
    assert score_clusters(X, group)["silhouette"] == pytest.approx(silhouette_score(X, group))
    half = np.where(np.arange(len(X)) % 8 < 4, group, -1)
    assert score_clusters(X, half)["silhouette"] < 0.55
    assert set(score_clusters(X, np.zeros(len(X), dtype=int)).values()) == {None}
    assert set(score_clusters(X, np.arange(len(X))).values()) == {None}
    assert set(score_clusters(X, np.full(len(X), -1)).values()) == {None}


def test_a_target_that_is_named_is_no_feature(recorder, tmp_path):
    frame, group = blobs()
    plan = dataclasses.replace(PLAN, target="kind", column_types={**TYPES, "kind": "category"}, max_trials=1)
    result = search(frame.assign(kind=group), plan, observer=recorder, work_folder=tmp_path)
    assert result.feature_columns == ("width", "height", "colour")


@pytest.mark.parametrize(
    ("frame", "changes", "error", "words"),
    [
        (blobs()[0].iloc[:4], {}, TooFewRows, "4 rows; at least 10"),
        (blobs()[0].assign(width=1, height=2, colour="red"), {}, TooFewRows, "All rows are the same"),
        (blobs()[0].assign(width=None, height=None, colour=None), {}, TooFewRows, "All rows are the same"),
        (blobs()[0], {"metric": "rmse"}, UnknownMetric, "known are silhouette"),
        (blobs()[0][[]], {}, ConfigIncomplete, "No feature"),
    ],
)
def test_what_has_no_clusters_is_refused_in_words(recorder, tmp_path, frame, changes, error, words):
    with pytest.raises(error, match=words):
        search(frame, dataclasses.replace(PLAN, **changes), observer=recorder, work_folder=tmp_path)
