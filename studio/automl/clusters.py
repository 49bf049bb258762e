"""Families that find clusters: k-means, a mixture of Gaussians and HDBSCAN, all on scaled columns."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import HDBSCAN, KMeans, MiniBatchKMeans
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.validation import check_array

from studio.automl.estimators import EstimatorFamily, FitContext, FloatArray, TrainingRows
from studio.automl.spaces import Choice, FloatRange, IntRange, Limits, Space

MOST_CLUSTERS = 20
BATCHED_ROWS = 50_000  # from here on k-means learns from batches
DENSE_ROWS = 10_000  # of which density-based clusters are learned; the time grows with their square
NOISE = -1
# Distances between rows of any width that need no parameter of their own; two have two names.
METRICS = Choice(
    ("euclidean", "l2", "manhattan", "l1", "cityblock", "chebyshev", "canberra", "braycurtis", "cosine", "correlation")
)


class MixtureClusters(GaussianMixture):  # type: ignore[misc]
    """A Gaussian mixture whose components are clusters, and which says so."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.estimator_type = "clusterer"
        return tags


class NearestCluster(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """HDBSCAN that also answers for new rows.

    A row belongs to the cluster of the nearest row that has one. It is noise, -1, where that row is further away than
    the cluster is ever sparse: than the largest distance from one of its rows to the ``min_samples``-th neighbour.

    Args:
        scan: What finds the clusters; not fitted.
        random_state: Draws the rows where there are more than 10 000.
    """

    def __init__(self, scan: HDBSCAN, random_state: int) -> None:
        self.scan = scan
        self.random_state = random_state

    def fit(self, X: FloatArray, y: Any = None) -> "NearestCluster":
        """Find the clusters of a matrix without gaps."""
        X = check_array(X)
        if len(X) > DENSE_ROWS:
            rng = np.random.default_rng(self.random_state)
            X = X[np.sort(rng.choice(len(X), DENSE_ROWS, replace=False))]
        labels = self.scan.fit_predict(X)
        self.n_features_in_ = X.shape[1]
        is_clustered = labels >= 0
        self.labels_ = labels[is_clustered]
        if not is_clustered.any():
            return self
        metric = self.scan.metric
        n_near = min(len(X), (self.scan.min_samples or self.scan.min_cluster_size) + 1)
        distances = NearestNeighbors(n_neighbors=n_near, metric=metric).fit(X).kneighbors(X[is_clustered])[0]
        self.reach_ = np.zeros(int(self.labels_.max()) + 1)
        np.maximum.at(self.reach_, self.labels_, distances[:, -1])
        self.nearest_ = NearestNeighbors(n_neighbors=1, metric=metric).fit(X[is_clustered])
        return self

    def predict(self, X: FloatArray) -> npt.NDArray[np.int64]:
        """Cluster of each row, -1 for noise, of shape (n_rows,)."""
        X = check_array(X)
        if not len(self.labels_):
            return np.full(len(X), NOISE, dtype=np.int64)
        distances, rows = self.nearest_.kneighbors(X)
        found = self.labels_[rows[:, 0]]
        return np.where(distances[:, 0] <= self.reach_[found], found, NOISE).astype(np.int64)


class _ClusterFamily(EstimatorFamily):
    tasks = frozenset({"clustering"})
    categories = "onehot"
    scale = True


class KMeansFamily(_ClusterFamily):
    """k-means; in batches for many rows."""

    name = "kmeans"
    cost = 10

    def limits(self, task: str) -> Limits:
        return {"init": Choice(("k-means++", "random"))}

    def space(self, task: str) -> Space:
        return {"n_clusters": IntRange(2, MOST_CLUSTERS)}

    def default(self, task: str) -> Mapping[str, Any]:
        return {"n_clusters": 3, "n_init": 5}

    def portfolio(self, task: str) -> Sequence[Mapping[str, Any]]:
        return [{"n_clusters": n} for n in (2, 4, 5, 6, 8, 10, 7, 12, 15)]

    def estimator_class(self, task: str) -> type:
        found: type = KMeans
        return found

    def fit(self, params: Mapping[str, Any], rows: TrainingRows, context: FitContext) -> Any:
        given = {"random_state": context.random_state, **params}
        if len(rows.X) >= BATCHED_ROWS and not {"algorithm", "copy_x"} & set(given):
            return MiniBatchKMeans(**given).fit(rows.X)
        return KMeans(**given).fit(rows.X)


class GaussianMixtureFamily(_ClusterFamily):
    """A mixture of Gaussians, each a cluster."""

    name = "gaussian_mixture"
    cost = 20
    kept_back = frozenset({"means_init", "precisions_init", "weights_init", "verbose_interval"})

    def space(self, task: str) -> Space:
        return {
            "n_components": IntRange(2, MOST_CLUSTERS),
            "covariance_type": Choice(("full", "tied", "diag", "spherical")),
        }

    def default(self, task: str) -> Mapping[str, Any]:
        return {"n_components": 3, "covariance_type": "full", "n_init": 2, "reg_covar": 1e-4}

    def portfolio(self, task: str) -> Sequence[Mapping[str, Any]]:
        return [{"n_components": n} for n in (2, 4, 5, 6, 8)] + [{"covariance_type": "diag"}]

    def estimator_class(self, task: str) -> type:
        return MixtureClusters

    def fit(self, params: Mapping[str, Any], rows: TrainingRows, context: FitContext) -> Any:
        return MixtureClusters(**{"random_state": context.random_state, **params}).fit(rows.X)


class HDBSCANFamily(_ClusterFamily):
    """Clusters where rows lie densely, as many as there are; the rest is noise."""

    name = "hdbscan"
    cost = 30
    kept_back = frozenset({"algorithm", "copy", "metric_params", "store_centers"})

    def limits(self, task: str) -> Limits:
        return {"metric": METRICS}

    def space(self, task: str) -> Space:
        return {
            "min_cluster_size": IntRange(5, 500, log=True),
            "min_samples": IntRange(1, 50, log=True),
            "cluster_selection_method": Choice(("eom", "leaf")),
            "cluster_selection_epsilon": FloatRange(0.0, 2.0),
        }

    def default(self, task: str) -> Mapping[str, Any]:
        return {
            "min_cluster_size": 20,
            "min_samples": 5,
            "cluster_selection_method": "eom",
            "cluster_selection_epsilon": 0.0,
        }

    def portfolio(self, task: str) -> Sequence[Mapping[str, Any]]:
        return [{"min_cluster_size": 50}, {"min_cluster_size": 10}, {"min_cluster_size": 100, "min_samples": 10}]

    def estimator_class(self, task: str) -> type:
        found: type = HDBSCAN
        return found

    def fit(self, params: Mapping[str, Any], rows: TrainingRows, context: FitContext) -> Any:
        return NearestCluster(HDBSCAN(**{"copy": True, **params}), context.random_state).fit(rows.X)
