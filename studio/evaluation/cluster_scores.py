"""How well clusters are told apart, without a truth to hold them against."""

import numpy as np
import numpy.typing as npt
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

SAMPLE_ROWS = 3_000  # distances between all pairs are looked at


def score_clusters(
    points: FloatArray, labels: IntArray, *, random_state: int = 0, names: tuple[str, ...] | None = None
) -> dict[str, float | None]:
    """Silhouette, Calinski-Harabasz and Davies-Bouldin of a clustering.

    Rows without a cluster (a label below 0) are left out of the last two. In the silhouette they count as 0, neither
    well nor badly placed, so that nothing is won by calling the difficult rows noise.

    Args:
        points: Of shape (n_rows, n_columns), without gaps; at most 3 000 drawn rows are looked at.
        labels: Cluster of each row, of shape (n_rows,).
        random_state: Draws the rows.
        names: Of the scores wanted; None for all.

    Returns:
        Value by name, None where there are fewer than two clusters, or as many as rows.
    """
    if len(points) > SAMPLE_ROWS:
        drawn = np.random.default_rng(random_state).choice(len(points), SAMPLE_ROWS, replace=False)
        points, labels = points[drawn], labels[drawn]
    scores = {
        "silhouette": silhouette_score,
        "calinski_harabasz": calinski_harabasz_score,
        "davies_bouldin": davies_bouldin_score,
    }
    wanted = names or tuple(scores)
    is_clustered = labels >= 0
    n_clusters = len(np.unique(labels[is_clustered]))
    if not 2 <= n_clusters < is_clustered.sum():
        return dict.fromkeys(wanted)
    found = {name: float(scores[name](points[is_clustered], labels[is_clustered])) for name in wanted}
    if "silhouette" in found:
        found["silhouette"] *= float(is_clustered.mean())
    return {name: value if np.isfinite(value) else None for name, value in found.items()}
