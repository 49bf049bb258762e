import io
import threading
from xml.etree import ElementTree

import matplotlib.image
import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss

from studio.evaluation import line_plots
from studio.evaluation.class_scores import calibrate, pr_curve, rank_lift, score_thresholds
from studio.evaluation.curves import RocCurve, RocPoint, confusion_matrix
from studio.evaluation.figures import shorten, shorten_all, write_number
from studio.evaluation.matrix_plots import draw_confusion_matrix
from studio.evaluation.reports import residuals_of

CURVE = RocCurve("late", None, (RocPoint(None, 0, 0), RocPoint(0.5, 0.1, 0.8), RocPoint(0.1, 1, 1)), 0.85)
ODD_LABELS = sorted(["$5-$10", "multi\nline", "<b>&", "日本", "", "a very long label of a class that never ends"])
IS_HIT = np.arange(60) % 3 == 0
SCORES = np.clip(IS_HIT * 0.3 + np.random.default_rng(1).uniform(0, 0.7, 60), 0, 1)
TRUE, PRED = np.arange(60.0) * 1000, np.arange(60.0) * 990 + 40


def draw_roc_curve(curve, fmt):
    return line_plots.draw_roc_curve(curve, fmt, title="ROC curve")


DRAWINGS = {
    "matrix": lambda fmt: draw_confusion_matrix(make_matrix(ODD_LABELS), fmt),
    "roc": lambda fmt: draw_roc_curve(CURVE, fmt),
    "pr": lambda fmt: line_plots.draw_pr_curve(pr_curve(IS_HIT, SCORES, 100), "late", fmt, title="T"),
    "calibration": lambda fmt: line_plots.draw_calibration(calibrate(IS_HIT, SCORES, 10), "late", fmt, title="T"),
    "lift": lambda fmt: line_plots.draw_lift(rank_lift(IS_HIT, SCORES, 10), "late", fmt, title="T"),
    "thresholds": lambda fmt: line_plots.draw_thresholds(score_thresholds(IS_HIT, SCORES, 100), "late", fmt, title="T"),
    "residuals": lambda fmt: line_plots.draw_residuals(residuals_of(TRUE, PRED, 500), fmt, title="T"),
}


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
@pytest.mark.parametrize("draw", DRAWINGS.values(), ids=DRAWINGS)
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


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "pr",
            {
                "T",
                f"late (AP {average_precision_score(IS_HIT, SCORES):.3f})",
                "Chance (AP 0.333)",
                "Recall (0 to 1)",
                "Precision (0 to 1)",
            },
        ),
        (
            "calibration",
            {
                f"late (Brier {brier_score_loss(IS_HIT, SCORES):.3f})",
                "Ideal",
                "Larger dots: more rows",
                "Observed rate (0 to 1)",
            },
        ),
        ("lift", {"late (lift 3.00 at 10%)", "Ideal", "Chance", "Gain: share of positives found (0 to 1)"}),
        ("thresholds", {"Precision", "Recall", "F1", "Score (0 to 1)", "Threshold for late (probability, 0 to 1)"}),
        ("residuals", {"Residual (mean 255, std 173.181)", "Ideal (0)", "All rows", "20\u2009000"}),
    ],
)
def test_a_drawing_names_its_axes_and_lines(name, expected):
    assert expected <= set(texts_of(DRAWINGS[name]("svg")))


def test_a_curve_of_one_point_shows_it():
    curve = score_thresholds(np.array([True, False]), np.array([0.4, 0.4]), 100)
    picture = line_plots.draw_thresholds(curve, "late", "png", title="T")
    image = matplotlib.image.imread(io.BytesIO(picture))
    legend_starts = int(image.shape[0] * 0.8)
    assert (np.abs(image[:legend_starts, :, :3] - [0xC2 / 255, 0x57 / 255, 0x0C / 255]).max(axis=2) < 0.02).any()


@pytest.mark.parametrize("factor", [0.0, 1e-300, 1e300])
def test_residuals_of_any_size_are_drawn(factor):
    assert line_plots.draw_residuals(residuals_of(TRUE * factor, PRED * factor, 500), "png", title="T")


def test_shortened_labels_are_told_apart():
    ranges = [f"price from {low} to {low + 616} dollars" for low in (0, 617, 1234)]
    assert shorten_all(ranges) == ["…0 to 616…", "…617 to 1233…", "…1234 to 1850…"]
    twins = ["a" * 30 + "1" + "b" * 30, "a" * 30 + "2" + "b" * 30]
    assert shorten_all(twins) == [f"{shorten(twins[0])} (1)", f"{shorten(twins[0])} (2)"]
    assert shorten_all(["yes", "no"]) == ["yes", "no"]
    assert shorten_all(["x" * 40]) == [shorten("x" * 40)]


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.0, "0"), (-0.0001, "−0.0001"), (0.25, "0.25"), (-12_500.0, "−12\u2009500"), (3e8, "3e+08"), (1e-9, "1e-09")],
)
def test_numbers_are_short(number, text):
    assert write_number(number).replace("−09", "-09") == text


def test_of_very_many_classes_some_are_named():
    labels = [f"c{i:03d}" for i in range(250)]
    texts = texts_of(draw_confusion_matrix(make_matrix(labels, n=2_000), "svg"))
    assert sum(text in labels for text in texts) == 2 * 84


@pytest.mark.parametrize("draw", DRAWINGS.values(), ids=DRAWINGS)
def test_a_png_is_wide_enough_to_read_and_not_huge(draw):
    check_size(draw("png"))


@pytest.mark.parametrize("n_labels", [2, 30])
def test_so_is_one_of_many_classes(n_labels):
    labels = [f"category {i:02d}" for i in range(n_labels)]
    check_size(draw_confusion_matrix(make_matrix(labels), "png"))


def check_size(png):
    picture = matplotlib.image.imread(io.BytesIO(png))
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
