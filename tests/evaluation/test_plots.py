import io
import threading
from xml.etree import ElementTree

import matplotlib.image
import numpy as np
import pytest

from studio.evaluation.curves import RocCurve, RocPoint, confusion_matrix
from studio.evaluation.figures import shorten
from studio.evaluation.plots import draw_confusion_matrix, draw_roc_curve

CURVE = RocCurve("late", None, (RocPoint(None, 0, 0), RocPoint(0.5, 0.1, 0.8), RocPoint(0.1, 1, 1)), 0.85)
ODD_LABELS = sorted(["$5-$10", "multi\nline", "<b>&", "日本", "", "a very long label of a class that never ends"])


def make_matrix(labels, *, normalize=False, n=500):
    random = np.random.default_rng(0)
    y_true = random.choice(labels, n).tolist()
    y_pred = [label if random.random() < 0.7 else str(random.choice(labels)) for label in y_true]
    return confusion_matrix(y_true, y_pred, labels, normalize=normalize)


def texts_of(svg):
    root = ElementTree.fromstring(svg)
    return ["".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")]


def test_a_matrix_names_its_axes_classes_and_counts():
    matrix = make_matrix(["late", "on_time"])
    texts = texts_of(draw_confusion_matrix(matrix, "svg", title="Test split"))
    assert {"Test split", "Predicted class", "True class", "Share of the true class", "late", "on_time"} <= set(texts)
    assert {str(value) for row in matrix.matrix for value in row} <= set(texts)


def test_a_normalized_matrix_shows_per_cent():
    matrix = confusion_matrix(["a", "a", "a", "b"], ["a", "a", "b", "b"], ["a", "b"], normalize=True)
    assert {"66.7%", "33.3%", "100.0%"} <= set(texts_of(draw_confusion_matrix(matrix, "svg")))


def test_large_counts_are_grouped():
    matrix = confusion_matrix(["a"] * 12_345 + ["b"], ["a"] * 12_345 + ["b"], ["a", "b"])
    assert "12\u2009345" in texts_of(draw_confusion_matrix(matrix, "svg"))


def test_a_curve_names_its_axes_its_area_and_chance():
    texts = texts_of(draw_roc_curve(CURVE, "svg"))
    expected = {"late (AUC 0.850)", "Chance (AUC 0.500)", "ROC curve"}
    assert expected | {"False positive rate (0 to 1)", "True positive rate (0 to 1)"} <= set(texts)


def test_an_average_says_so():
    curve = RocCurve(None, "macro", CURVE.points, 0.85)
    assert "Macro average (AUC 0.850)" in texts_of(draw_roc_curve(curve, "svg"))


@pytest.mark.parametrize("fmt", ["svg", "png"])
@pytest.mark.parametrize(
    "draw", [lambda fmt: draw_roc_curve(CURVE, fmt), lambda fmt: draw_confusion_matrix(make_matrix(ODD_LABELS), fmt)]
)
def test_the_same_plot_is_the_same_bytes(draw, fmt):
    assert draw(fmt) == draw(fmt)


def test_odd_labels_are_drawn_as_they_are():
    texts = texts_of(draw_confusion_matrix(make_matrix(ODD_LABELS), "svg"))
    assert {"$5-$10", "multi line", "<b>&", "日本", "(empty)"} <= set(texts)
    assert "$5-$10 (AUC 0.850)" in texts_of(draw_roc_curve(RocCurve("$5-$10", None, CURVE.points, 0.85), "svg"))


def test_long_labels_keep_their_two_ends():
    short = shorten("a very long label of a class that never ends")
    assert len(short) == 24
    assert short.startswith("a very long")
    assert short.endswith("never ends")
    assert shorten("x" * 24) == "x" * 24


def test_many_classes_keep_their_names_and_lose_crowded_numbers():
    labels = [f"class number {i:03d}" for i in range(100)]
    matrix = make_matrix(labels, n=20_000)
    texts = texts_of(draw_confusion_matrix(matrix, "svg"))
    assert set(labels) <= set(texts)
    assert str(int(matrix.matrix[0][0])) not in texts


@pytest.mark.parametrize("n_labels", [2, 30])
def test_a_png_is_wide_enough_to_read_and_not_huge(n_labels):
    labels = [f"category {i:02d}" for i in range(n_labels)]
    picture = matplotlib.image.imread(io.BytesIO(draw_confusion_matrix(make_matrix(labels), "png")))
    assert 600 <= picture.shape[1] <= 1500
    # Nothing touches the rim, so nothing is cut off.
    rim = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    assert (rim[:, :3] == 1).all()


def test_threads_may_draw_at_once():
    expected = draw_confusion_matrix(make_matrix(["a", "b"]), "svg")
    drawn = []
    threads = [
        threading.Thread(target=lambda: drawn.append(draw_confusion_matrix(make_matrix(["a", "b"]), "svg")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert drawn == [expected] * 4
