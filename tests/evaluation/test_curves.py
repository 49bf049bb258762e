import numpy as np
import pytest
from sklearn.metrics import auc, roc_auc_score
from sklearn.metrics import confusion_matrix as count_matrix

from studio.errors import NotApplicable, UnknownClass
from studio.evaluation.curves import (
    BinaryCounts,
    ConfusionMatrix,
    RocPoint,
    confusion_matrix,
    positive_label_of,
    roc_curve,
)
from studio.evaluation.thinning import thin


def scored(labels, n=2000, *, seed=0):
    """True labels and probabilities that tell something of them."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, len(labels), n)
    logits = random.normal(size=(n, len(labels)))
    logits[np.arange(n), codes] += 1.2
    proba = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return [labels[code] for code in codes], proba


def area_under(curve):
    return auc([point.fpr for point in curve.points], [point.tpr for point in curve.points])


@pytest.mark.parametrize(
    ("labels", "counts", "positive"),
    [
        (["0", "1"], {"0": 1, "1": 9}, "1"),
        (["False", "True"], {}, "True"),
        (["No", "YES"], {"No": 1, "YES": 5}, "YES"),
        (["1", "yes"], {"1": 5, "yes": 3}, "yes"),
        (["late", "on_time"], {"late": 3, "on_time": 9}, "late"),
        (["late", "on_time"], {"late": 9, "on_time": 3}, "on_time"),
        (["a", "b"], {"a": 3, "b": 3}, "b"),
        (["b", "a"], {}, "b"),
        (["a", "b"], {"b": 3}, "a"),
        (["a", "b", "yes"], {}, None),
        (["a"], {}, None),
    ],
)
def test_the_positive_label(labels, counts, positive):
    assert positive_label_of(labels, counts) == positive


def test_two_classes_are_counted_from_the_positive_one():
    y_true = ["late"] * 600 + ["on_time"] * 1800
    y_pred = ["late"] * 510 + ["on_time"] * 90 + ["late"] * 150 + ["on_time"] * 1650
    assert confusion_matrix(y_true, y_pred, ["late", "on_time"], positive_label="late") == ConfusionMatrix(
        labels=("late", "on_time"),
        matrix=((510, 90), (150, 1650)),
        normalize=False,
        binary=BinaryCounts(510, 150, 90, 1650, "late"),
    )
    other = confusion_matrix(y_true, y_pred, ["late", "on_time"], positive_label="on_time")
    assert other.binary == BinaryCounts(1650, 90, 150, 510, "on_time")


@pytest.mark.parametrize("normalize", [False, True])
def test_a_matrix_of_many_classes_is_that_of_scikit_learn(normalize):
    labels = ["-1", "0", "10", "9", "very good"]
    random = np.random.default_rng(0)
    y_true, y_pred = (random.choice(labels[:4], 500).tolist() for _ in range(2))
    expected = count_matrix(y_true, y_pred, labels=labels, normalize="true" if normalize else None)
    found = confusion_matrix(y_true, y_pred, labels, normalize=normalize)
    assert np.array(found.matrix) == pytest.approx(expected)
    assert found.binary is None


def test_normalized_rows_sum_to_one_and_binary_stays_in_counts():
    found = confusion_matrix(["0", "0", "1"], ["0", "1", "1"], ["0", "1"], normalize=True)
    assert found.matrix == ((0.5, 0.5), (0.0, 1.0))
    assert found.binary == BinaryCounts(1, 1, 0, 1, "1")


def test_a_class_without_samples_is_a_row_of_zeros():
    found = confusion_matrix(["a", "c"], ["a", "b"], ["a", "b", "c"], normalize=True)
    assert found.matrix == ((1.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    assert found.binary is None


def test_cells_are_plain_python_numbers():
    found = confusion_matrix(["a", "b"], ["a", "a"], ["a", "b"])
    assert {type(value) for row in found.matrix for value in row} == {int}


@pytest.mark.parametrize(
    "call", [lambda: confusion_matrix(["x"], ["a"], ["a", "b"]), lambda: confusion_matrix(["a"], ["x"], ["a", "b"])]
)
def test_a_value_that_is_no_label_is_a_fault_of_the_caller(call):
    with pytest.raises(ValueError, match="'x'"):
        call()


def test_a_roc_curve_by_hand():
    proba = np.array([[0.1, 0.9], [0.6, 0.4], [0.3, 0.7], [0.8, 0.2]])
    curve = roc_curve(["1", "1", "0", "0"], proba, ["0", "1"])
    assert curve.points == (
        RocPoint(None, 0.0, 0.0),
        RocPoint(0.9, 0.0, 0.5),
        RocPoint(0.7, 0.5, 0.5),
        RocPoint(0.4, 0.5, 1.0),
        RocPoint(0.2, 1.0, 1.0),
    )
    assert (curve.class_label, curve.average, curve.roc_auc) == ("1", None, 0.75)


def test_the_positive_label_and_a_named_class_choose_the_column():
    y_true, proba = scored(["late", "on_time"])
    is_late = [label == "late" for label in y_true]
    chosen = roc_curve(y_true, proba, ["late", "on_time"], positive_label="late")
    named = roc_curve(y_true, proba, ["late", "on_time"], positive_label="on_time", class_label="late")
    assert chosen == named
    assert chosen.roc_auc == pytest.approx(roc_auc_score(is_late, proba[:, 0]))


def test_the_macro_average_of_three_classes():
    labels = ["a", "b", "c"]
    y_true, proba = scored(labels)
    curve = roc_curve(y_true, proba, labels, resolution=500)
    assert (curve.class_label, curve.average) == (None, "macro")
    assert curve.roc_auc == pytest.approx(roc_auc_score(y_true, proba, multi_class="ovr", average="macro"))
    assert area_under(curve) == pytest.approx(curve.roc_auc, abs=2e-3)
    assert {point.threshold for point in curve.points} == {None}
    one = roc_curve(y_true, proba, labels, class_label="b")
    assert one.roc_auc == pytest.approx(roc_auc_score([label == "b" for label in y_true], proba[:, 1]))


def test_a_perfect_macro_curve_has_its_corner():
    labels = ["a", "b", "c"]
    curve = roc_curve(labels * 5, np.tile(np.eye(3), (5, 1)), labels)
    corners = [(point.fpr, point.tpr) for point in curve.points]
    assert corners[0] == (0.0, 0.0)
    assert (0.0, 1.0) in corners
    assert (corners[-1], curve.roc_auc) == ((1.0, 1.0), 1.0)


@pytest.mark.parametrize("labels", [["0", "1"], ["a", "b", "c"]])
@pytest.mark.parametrize("resolution", [2, 3, 10, 100])
def test_thinning_keeps_the_ends_the_order_and_the_area(labels, resolution):
    y_true, proba = scored(labels)
    full = roc_curve(y_true, proba, labels, resolution=500)
    curve = roc_curve(y_true, proba, labels, resolution=resolution)
    ends = curve.points[0], curve.points[-1]
    assert [(point.fpr, point.tpr) for point in ends] == [(0.0, 0.0), (1.0, 1.0)]
    assert len(curve.points) == resolution
    assert [point.fpr for point in curve.points] == sorted(point.fpr for point in curve.points)
    assert curve.roc_auc == full.roc_auc
    if resolution >= 10:
        assert area_under(curve) == pytest.approx(full.roc_auc, abs=0.02)
    if resolution >= 100:
        assert area_under(curve) == pytest.approx(full.roc_auc, abs=0.001)


def test_thinning_chooses_the_corner():
    x, y = np.array([0.0, 0.1, 0.2, 0.2, 0.2, 0.6, 1.0]), np.array([0.0, 0.0, 0.0, 0.5, 0.9, 0.95, 1.0])
    assert thin(x, y, 3).tolist() in ([0, 2, 6], [0, 4, 6])
    assert thin(x, y, 4).tolist() == [0, 2, 4, 6]
    assert thin(x, y, 7).tolist() == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("class_label", ["a", "b"])
def test_a_curve_of_one_class_alone_does_not_exist(class_label):
    with pytest.raises(NotApplicable):
        roc_curve(["a", "a"], [[0.5, 0.5], [0.4, 0.6]], ["a", "b"], class_label=class_label)


def test_the_macro_average_leaves_out_classes_the_split_does_not_hold():
    proba = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.5, 0.4, 0.1]])
    assert roc_curve(["a", "b", "b"], proba, ["a", "b", "c"]).roc_auc == 1.0
    with pytest.raises(NotApplicable):
        roc_curve(["a", "a", "a"], proba, ["a", "b", "c"])


def test_an_unknown_class_is_refused():
    with pytest.raises(UnknownClass, match="'z'"):
        roc_curve(["a", "b"], [[0.5, 0.5], [0.4, 0.6]], ["a", "b"], class_label="z")
