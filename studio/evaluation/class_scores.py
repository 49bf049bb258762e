"""How well the probability of one class tells its rows from the rest: curves, calibration, lift, thresholds.

Rows of one class are hits. Each function takes them as booleans of shape (n_rows,) beside the probabilities of the
class, of the same shape; a row is called positive from a threshold on. An undefined ratio is 0.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studio.errors import NotApplicable
from studio.evaluation.thinning import thin

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class PrPoint:
    """Precision and recall from a threshold on; None is above all scores."""

    threshold: float | None
    precision: float
    recall: float


@dataclass(frozen=True)
class PrCurve:
    """Precision against recall, from recall 1 to (0, 1).

    Attributes:
        average_precision: Step-interpolated area of all points, 0 to 1.
        base_rate: Share of hits, the precision of chance.
    """

    points: tuple[PrPoint, ...]
    average_precision: float
    base_rate: float


@dataclass(frozen=True)
class CalibrationBin:
    """Rows with a probability above ``lower`` up to ``upper``; the first bin holds 0 too."""

    lower: float
    upper: float
    count: int
    mean_predicted: float
    observed_rate: float


@dataclass(frozen=True)
class Calibration:
    """How often what is said to be likely happens; bins without rows are left out."""

    bins: tuple[CalibrationBin, ...]
    brier: float
    expected_calibration_error: float


@dataclass(frozen=True)
class LiftPoint:
    """Share of all hits in the top fraction of the rows, and how many times that of chance it is."""

    fraction: float
    gain: float
    lift: float


@dataclass(frozen=True)
class Lift:
    """Gain by fraction of the rows, the likeliest first.

    Attributes:
        base_rate: Share of hits: from this fraction on a perfect ranking has found all.
    """

    points: tuple[LiftPoint, ...]
    base_rate: float


@dataclass(frozen=True)
class ThresholdPoint:
    """Scores when rows from a threshold on are called positive, all 0 to 1."""

    threshold: float
    precision: float
    recall: float
    f1_score: float
    accuracy: float
    positive_rate: float


@dataclass(frozen=True)
class Best:
    """The threshold where a metric is highest."""

    metric: str
    threshold: float
    value: float


@dataclass(frozen=True)
class ThresholdCurve:
    """Scores by rising threshold, the best one among them."""

    points: tuple[ThresholdPoint, ...]
    best: Best


def pr_curve(is_hit: Booleans, scores: Floats, resolution: int) -> PrCurve:
    """Precision against recall of at most ``resolution`` points, 2 or more.

    Raises:
        NotApplicable: No row is a hit, so that recall is undefined.
    """
    _check_hits(is_hit)
    thresholds, true_positives, called = _count(is_hit, scores)
    precision = np.append((true_positives / called)[::-1], 1.0)
    recall = np.append((true_positives / is_hit.sum())[::-1], 0.0)
    area = float(-np.sum(np.diff(recall) * precision[:-1]))
    kept = thin(recall, precision, resolution)
    limits: list[float | None] = [*thresholds[::-1].tolist(), None]
    points = (PrPoint(limits[i], float(precision[i]), float(recall[i])) for i in kept.tolist())
    return PrCurve(tuple(points), area, float(is_hit.mean()))


def calibrate(is_hit: Booleans, scores: Floats, n_bins: int) -> Calibration:
    """Mean probability against the share of hits, in ``n_bins`` bins of equal width."""
    edges = np.linspace(0.0, 1.0, n_bins + 1)
    places = np.searchsorted(edges[1:-1], scores)
    counts = np.bincount(places, minlength=n_bins)
    filled = np.flatnonzero(counts)
    sizes = counts[filled]
    means = np.bincount(places, weights=scores, minlength=n_bins)[filled] / sizes
    rates = np.bincount(places, weights=is_hit, minlength=n_bins)[filled] / sizes
    columns = (edges[filled], edges[filled + 1], sizes, means, rates)
    return Calibration(
        bins=tuple(CalibrationBin(*row) for row in zip(*(column.tolist() for column in columns), strict=True)),
        brier=float(np.mean((scores - is_hit) ** 2)),
        expected_calibration_error=float(np.sum(sizes * np.abs(means - rates)) / len(scores)),
    )


def rank_lift(is_hit: Booleans, scores: Floats, n_bins: int) -> Lift:
    """Gain and lift at ``n_bins`` fractions; rows of one score count in equal parts, whatever their order.

    Raises:
        NotApplicable: No row is a hit.
    """
    _check_hits(is_hit)
    _, true_positives, called = _count(is_hit, scores)
    fractions = np.arange(1, n_bins + 1) / n_bins
    shares = np.append(0.0, true_positives / is_hit.sum())
    gains = np.interp(fractions, np.append(0.0, called / len(scores)), shares)
    columns = (fractions, gains, gains / fractions)
    points = zip(*(column.tolist() for column in columns), strict=True)
    return Lift(tuple(LiftPoint(*row) for row in points), float(is_hit.mean()))


def score_thresholds(is_hit: Booleans, scores: Floats, resolution: int) -> ThresholdCurve:
    """Scores at the thresholds that matter, at most ``resolution`` (2 or more); the best is by F1 of all."""
    thresholds, true_positives, called = (column[::-1] for column in _count(is_hit, scores))
    n_rows, hits = len(scores), int(is_hit.sum())
    f1 = 2 * true_positives / (called + hits)
    correct = true_positives + (n_rows - hits) - (called - true_positives)
    columns = np.column_stack(
        [thresholds, true_positives / called, true_positives / max(hits, 1), f1, correct / n_rows, called / n_rows]
    )
    best = int(np.argmax(f1))
    kept = thin(thresholds, f1, resolution)
    if best not in kept:
        kept = np.union1d(thin(thresholds, f1, resolution - 1), [best]) if resolution > 2 else kept
    points = tuple(ThresholdPoint(*row) for row in columns[kept].tolist())
    return ThresholdCurve(points, Best("f1_score", float(thresholds[best]), float(f1[best])))


def _count(is_hit: Booleans, scores: Floats) -> tuple[Floats, Floats, Floats]:
    """Distinct scores, falling, with the hits and the rows from each on."""
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    ends = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
    return falling[ends], np.cumsum(is_hit[order])[ends].astype(float), (ends + 1).astype(float)


def _check_hits(is_hit: Booleans) -> None:
    if not is_hit.any():
        raise NotApplicable("The split holds no row of the class: recall is undefined.")
