import numpy as np
import pytest

from studio.errors import ClassLabelRequired, NotApplicable, UnknownClass
from studio.evaluation.stored import SplitEvaluation
from studio.performance import service as performance
from tests.factories import make_model
from tests.performance.factories import add_evaluated, evaluation, late_split, number_evaluation

ASKED = {"version_id": "ver-001", "dataset_split": "test"}
OF_CLASS = {
    "make_pr_curve": {"resolution": 100},
    "make_calibration": {"bins": 10},
    "make_lift": {"bins": 10},
    "make_thresholds": {"resolution": 100},
}
DRAWINGS = {
    "make_pr_curve": "draw_pr_curve",
    "make_calibration": "draw_calibration",
    "make_lift": "draw_lift",
    "make_thresholds": "draw_thresholds",
}


@pytest.fixture
def add(open_stores):
    """Adds an evaluated version and gives what asks about it."""

    def add(made):
        with open_stores() as stores:
            model = make_model(stores)
        with open_stores() as stores:
            add_evaluated(stores, model, made)

        def ask(verb, **choices):
            with open_stores(write=False) as stores:
                return getattr(performance, verb)(stores, model.id, **{**ASKED, **choices})

        return ask

    return add


@pytest.mark.parametrize("verb", OF_CLASS)
def test_two_classes_are_seen_from_the_positive_one(add, clock, verb):
    ask = add(evaluation(clock.now, {"test": late_split()}))
    found = ask(verb, class_label=None, **OF_CLASS[verb])
    assert (found.result.class_label, found.sample_count) == ("late", 40)
    other = ask(verb, class_label="on_time", **OF_CLASS[verb])
    assert other.result.class_label == "on_time"
    with pytest.raises(UnknownClass):
        ask(verb, class_label="", **OF_CLASS[verb])
    draw = getattr(performance, DRAWINGS[verb])
    assert b"ver-001" in draw(found, "svg")
    assert draw(found, "png").startswith(b"\x89PNG")


@pytest.mark.parametrize("verb", OF_CLASS)
def test_beyond_two_classes_one_must_be_named(add, clock, verb):
    labels = ("1", "it's 🚚", "true")
    proba = np.random.default_rng(5).dirichlet(np.ones(3), 60)
    true, pred = np.array(labels)[np.arange(60) % 3], np.array(labels)[proba.argmax(axis=1)]
    split = SplitEvaluation(np.arange(60), true, pred, proba)
    ask = add(evaluation(clock.now, {"test": split}, labels, positive_label=None))
    with pytest.raises(ClassLabelRequired):
        ask(verb, class_label=None, **OF_CLASS[verb])
    assert ask(verb, class_label="it's 🚚", **OF_CLASS[verb]).result.class_label == "it's 🚚"


@pytest.mark.parametrize("verb", OF_CLASS)
def test_without_probabilities_there_is_the_report_only(add, clock, verb):
    split = late_split()
    bare = SplitEvaluation(split.row_index, split.y_true, split.y_pred)
    ask = add(evaluation(clock.now, {"test": bare}))
    with pytest.raises(NotApplicable):
        ask(verb, class_label=None, **OF_CLASS[verb])
    assert ask("make_classification_report", average="macro").result.overall.support == 40


def test_a_regression_has_residuals_only(add, clock):
    ask = add(number_evaluation(clock.now))
    found = ask("make_residuals", limit=500)
    assert [point.residual for point in found.result.points] == [-1, 0, 1, 2]
    assert b"ver-001" in performance.draw_residuals(found, "svg")
    with pytest.raises(NotApplicable):
        ask("make_classification_report", average="micro")
    with pytest.raises(NotApplicable):
        ask("make_lift", class_label=None, bins=10)


def test_a_classifier_has_no_residuals(add, clock):
    ask = add(evaluation(clock.now, {"test": late_split()}))
    with pytest.raises(NotApplicable):
        ask("make_residuals", limit=500)


def test_residuals_of_a_time_series_have_their_times(add, clock):
    times = np.array(["2026-05-04", "2026-05-03"], dtype="datetime64[us]")
    split = SplitEvaluation(np.arange(2), np.array([1.0, 2]), np.array([1.0, 3]), None, np.ones(2), times)
    facts = {"task": "time_series", "positive_label": None, "primary_metric": "mase"}
    ask = add(evaluation(clock.now, {"test": split}, None, **facts))
    points = ask("make_residuals", limit=10).result.points
    assert [(point.timestamp.isoformat(), point.residual) for point in points] == [
        ("2026-05-03T00:00:00+00:00", -1.0),
        ("2026-05-04T00:00:00+00:00", 0.0),
    ]
