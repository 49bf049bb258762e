import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.calibration import calibration_curve

from studio.errors import NotApplicable
from studio.evaluation.class_scores import calibrate, pr_curve, rank_lift, score_thresholds
from studio.evaluation.reports import report_classes, residuals_of

ALL = 10_000
ROWS = st.lists(st.tuples(st.booleans(), st.integers(0, 12)), min_size=1, max_size=60)


def columns(rows):
    is_hit, steps = zip(*rows, strict=True)
    return np.array(is_hit), np.array(steps) / 12


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_the_curve_is_that_of_scikit_learn(rows):
    is_hit, scores = columns(rows)
    if not is_hit.any():
        with pytest.raises(NotApplicable):
            pr_curve(is_hit, scores, ALL)
        return
    made = pr_curve(is_hit, scores, ALL)
    precision, recall, thresholds = metrics.precision_recall_curve(is_hit, scores)
    assert [point.precision for point in made.points] == pytest.approx(precision)
    assert [point.recall for point in made.points] == pytest.approx(recall)
    assert [point.threshold for point in made.points] == [*thresholds, None]
    assert made.average_precision == pytest.approx(metrics.average_precision_score(is_hit, scores))


@settings(max_examples=60, deadline=None)
@given(ROWS, st.integers(2, 20))
def test_calibration_is_that_of_scikit_learn(rows, n_bins):
    is_hit, scores = columns(rows)
    made = calibrate(is_hit, scores, n_bins)
    assert sum(place.count for place in made.bins) == len(scores)
    assert made.brier == pytest.approx(np.mean((scores - is_hit) ** 2))
    if 0 < is_hit.sum() < len(is_hit):
        observed, predicted = calibration_curve(is_hit, scores, n_bins=n_bins)
        assert [place.observed_rate for place in made.bins] == pytest.approx(observed)
        assert [place.mean_predicted for place in made.bins] == pytest.approx(predicted)


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_scores_by_threshold_are_those_of_scikit_learn(rows):
    is_hit, scores = columns(rows)
    made = score_thresholds(is_hit, scores, ALL)
    assert [point.threshold for point in made.points] == np.unique(scores).tolist()
    for point in made.points:
        called = scores >= point.threshold
        given = {"zero_division": 0}
        assert point.precision == pytest.approx(metrics.precision_score(is_hit, called, **given))
        assert point.recall == pytest.approx(metrics.recall_score(is_hit, called, **given))
        assert point.f1_score == pytest.approx(metrics.f1_score(is_hit, called, **given))
        assert point.accuracy == pytest.approx(metrics.accuracy_score(is_hit, called))
        assert point.positive_rate == pytest.approx(called.mean())
    assert made.best.value == max(point.f1_score for point in made.points)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(*[st.sampled_from(["1", "it's 🚚", "true"])] * 2), min_size=1, max_size=40))
def test_the_report_is_that_of_scikit_learn(pairs):
    labels = ("1", "it's 🚚", "true")
    true, pred = zip(*pairs, strict=True)
    for average in ("micro", "macro", "weighted"):
        made = report_classes(true, pred, labels, average)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            given = {"labels": list(labels), "zero_division": 0}
            each = metrics.precision_recall_fscore_support(true, pred, **given)
            overall = metrics.precision_recall_fscore_support(true, pred, average=average, **given)
        for place, row in enumerate(made.classes):
            got = (row.precision, row.recall, row.f1_score, row.support)
            assert got == pytest.approx([column[place] for column in each])
        got = (made.overall.precision, made.overall.recall, made.overall.f1_score)
        assert got == pytest.approx(overall[:3])
        assert made.accuracy == pytest.approx(metrics.accuracy_score(true, pred))


@settings(max_examples=60, deadline=None)
@given(ROWS, st.integers(2, 100))
def test_gain_rises_to_all(rows, n_bins):
    is_hit, scores = columns(rows)
    if not is_hit.any():
        return
    made = rank_lift(is_hit, scores, n_bins)
    gains = [point.gain for point in made.points]
    assert gains == sorted(gains)
    assert (len(gains), gains[-1]) == (n_bins, 1)
    assert all(point.lift == pytest.approx(point.gain / point.fraction) for point in made.points)


def test_rows_of_one_score_count_in_equal_parts():
    made = rank_lift(np.array([True, False, False, True]), np.full(4, 0.5), 4)
    assert [point.lift for point in made.points] == pytest.approx([1, 1, 1, 1])


@pytest.mark.parametrize("resolution", [2, 3, 50])
def test_thinned_curves_keep_their_ends_and_the_best(resolution):
    random = np.random.default_rng(7)
    scores = random.uniform(size=5_000)
    is_hit = random.uniform(size=5_000) < scores
    curve = pr_curve(is_hit, scores, resolution)
    assert len(curve.points) <= resolution
    assert (curve.points[0].recall, curve.points[-1].recall, curve.points[-1].threshold) == (1, 0, None)
    by_threshold = score_thresholds(is_hit, scores, resolution)
    assert len(by_threshold.points) <= resolution
    assert [by_threshold.points[place].threshold for place in (0, -1)] == [scores.min(), scores.max()]
    if resolution > 2:
        assert by_threshold.best.threshold in [point.threshold for point in by_threshold.points]


def test_residuals_cover_the_split_whatever_the_points():
    true = np.arange(1_000.0)
    made = residuals_of(true, true - np.tile([1.0, -1.0], 500), 10)
    assert len(made.points) == 10
    assert (made.points[0].true_value, made.points[-1].true_value) == (0, 999)
    assert (made.mean, made.std, sum(made.histogram.counts)) == (0, 1, 1_000)


@pytest.mark.parametrize("value", [0.0, 2.5, 1e17, -1e300])
def test_residuals_all_the_same_fill_one_bin(value):
    made = residuals_of(np.full(9, value), np.zeros(9), 500)
    assert made.histogram.counts == (9,)
    assert made.histogram.edges[0] < made.histogram.edges[1]
    assert (made.mean, made.std) == (pytest.approx(value), 0)
