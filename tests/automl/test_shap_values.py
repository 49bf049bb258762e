"""SHAP values of blends: they add up, they are shap's own, and they speak of the user's columns."""

import dataclasses
import itertools

import lightgbm
import numpy as np
import pandas as pd
import pytest
import shap
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor
from threadpoolctl import threadpool_limits

from studio.automl import sampled_shap
from studio.automl.columns import Cells
from studio.automl.estimators import installed_families
from studio.automl.exact_shap import find_exact_shap
from studio.automl.fitting import Configuration, Fitter
from studio.automl.pipeline import BlendClassifier, BlendRegressor, Member
from studio.automl.plan import Plan
from studio.automl.problem import prepare_problem
from studio.automl.sampled_shap import predictions_per_row, sample_shap
from studio.automl.shap_values import BlendExplainer
from tests.automl.conftest import MESSY_TYPES

SHORT = {
    "lightgbm": {"n_estimators": 12, "num_leaves": 6},
    "xgboost": {"n_estimators": 12, "max_depth": 3},
    "hist_gradient_boosting": {"max_iter": 12, "max_leaf_nodes": 6},
    "extra_trees": {"n_estimators": 6},
    "random_forest": {"n_estimators": 6},
}
FAMILIES = {
    "classification": (*SHORT, "logistic_regression"),
    "regression": (*SHORT, "linear_regression"),
}
NUMBERS = {**{f"c{number}": "number" for number in range(4)}, "y": "category"}
MESSY = Plan(task="classification", target="y", column_types=MESSY_TYPES, budget_s=None, max_trials=1)


@pytest.fixture(autouse=True)
def one_core():
    """More would leave a pool of threads behind that forked processes could not use."""
    with threadpool_limits(1):
        yield


def numbers(n_columns):
    """300 rows of numbers that need no encoding."""
    rng = np.random.default_rng(0)
    c0, c1, c2, c3 = rng.normal(size=(4, 300))
    y = np.where(c0 * c1 + c2 + c0 > 0, "yes", "no")
    return pd.DataFrame({"c0": c0, "c1": c1, "c2": c2, "c3": c3}).iloc[:, :n_columns].assign(y=y)


def fit(problem, name):
    """One member, with few trees, fitted on the training rows."""
    family = installed_families()[name]
    params = {**family.default(problem.plan.task), **SHORT.get(name, {})}
    return Fitter(problem, 1).fit_rows(Configuration(family, params), problem.split.train, None)


def blend_of(problem, members, weights=None):
    """A blend, of equal parts unless told otherwise."""
    weights = weights or [1 / len(members)] * len(members)
    if problem.classes is None:
        return BlendRegressor(members, weights)
    return BlendClassifier(members, weights, problem.classes)


def explain(problem, blend, *, rows=None, n_sampled=5, seed=1):
    """The explainer, what it says of some test rows, and the cells of those."""
    background = problem.cells.take(problem.split.train[:50])
    explainer = BlendExplainer(blend, background, len(problem.features), n_sampled=n_sampled, seed=seed)
    chosen = problem.split.test[:6] if rows is None else rows
    cells = problem.cells.take(chosen)
    return explainer, explainer.explain(cells, np.arange(len(chosen))), cells


def output_of(blend, cells, kind):
    """What the values of rows must add up to with the base."""
    outputs = blend.blend(cells).reshape(len(cells.values), -1)
    if kind == "log_odds":
        outputs = np.log(outputs) if outputs.shape[1] > 2 else np.log(outputs[:, 1:] / outputs[:, :1])
    return outputs[:, 1:] if outputs.shape[1] == 2 else outputs


def assert_adds_up(blend, explainer, found, cells):
    """That base and values are the output; log-probabilities are known up to one number for all classes."""
    total, expected = found.values.sum(axis=1) + found.base, output_of(blend, cells, explainer.output)
    if explainer.output == "log_odds" and expected.shape[1] > 2:
        total, expected = (one - one.mean(axis=1, keepdims=True) for one in (total, expected))
    np.testing.assert_allclose(total, expected, rtol=1e-4, atol=1e-4 * max(1.0, np.abs(expected).max()))


def targets_of(messy, n_classes):
    """The messy table with another target: a number for 0."""
    rng = np.random.default_rng(3)
    score = np.where(messy["word"].isin(["red", "blue"]), 2.0, 0.0) + rng.normal(size=len(messy))
    if not n_classes:
        messy["y"] = 100 + 5 * score
        return dataclasses.replace(MESSY, task="regression")
    messy["y"] = np.digitize(score, np.quantile(score, np.linspace(0, 1, n_classes + 1)[1:-1])).astype(str)
    return MESSY


@pytest.mark.parametrize("n_classes", [0, 2, 3])
def test_the_values_of_every_family_add_up_to_its_output(messy, n_classes):
    problem = prepare_problem(messy, targets_of(messy, n_classes))
    kinds = {}
    for name in FAMILIES[problem.plan.task]:
        blend = blend_of(problem, [fit(problem, name)])
        explainer, found, cells = explain(problem, blend)
        assert found.values.shape == (6, len(problem.features), 1 if n_classes < 3 else n_classes)
        assert_adds_up(blend, explainer, found, cells)
        kinds[name] = explainer.explainer
    trees = ("lightgbm", "xgboost", "extra_trees", "random_forest")
    assert {kinds.pop(name) for name in trees} == {"tree"}
    # scikit-learn's histogram boosting splits on sets of categories, which shap does not know how to read
    assert kinds.pop("hist_gradient_boosting") == "permutation"
    assert list(kinds.values()) == ["linear"]


@pytest.mark.parametrize(
    ("n_classes", "names", "explainer", "output"),
    [
        (0, ("lightgbm", "random_forest"), "tree", "prediction"),
        (0, ("xgboost", "linear_regression"), "linear+tree", "prediction"),
        (0, ("lightgbm", "hist_gradient_boosting"), "permutation", "prediction"),
        (2, ("extra_trees", "random_forest"), "tree", "probability"),
        (3, ("extra_trees", "random_forest"), "tree", "probability"),
        (2, ("lightgbm",), "tree", "log_odds"),
        (2, ("lightgbm", "xgboost"), "permutation", "probability"),
        (3, ("lightgbm", "extra_trees"), "permutation", "probability"),
    ],
)
def test_members_are_added_where_that_is_their_blend(messy, n_classes, names, explainer, output):
    problem = prepare_problem(messy, targets_of(messy, n_classes))
    members = [fit(problem, name) for name in names]
    blend = blend_of(problem, members, [0.7, 0.3][: len(names)] if len(names) > 1 else [1.0])
    used, found, cells = explain(problem, blend)
    assert (used.explainer, used.output) == (explainer, output)
    assert_adds_up(blend, used, found, cells)


def test_what_a_column_was_encoded_to_counts_as_that_column(messy):
    problem = prepare_problem(messy, MESSY)
    member = fit(problem, "logistic_regression")
    _, found, cells = explain(problem, blend_of(problem, [member]))
    encoded = member.encoder.transform(cells)
    mean = member.encoder.transform(problem.cells.take(problem.split.train[:50])).mean(axis=0)
    each = (encoded - mean) * member.estimator.coef_
    word = problem.features.index("word")
    of_word = np.flatnonzero(member.encoder.sources_ == word)
    assert len(of_word) > 1
    np.testing.assert_allclose(found.values[:, word, 0], each[:, of_word].sum(axis=1))


@pytest.mark.parametrize("name", ["lightgbm", "xgboost", "random_forest", "logistic_regression"])
def test_without_an_encoding_they_are_shaps_own(name):
    problem = prepare_problem(numbers(n_columns=4), dataclasses.replace(MESSY, column_types=NUMBERS))
    member = fit(problem, name)
    _, found, cells = explain(problem, blend_of(problem, [member]))
    matrix = member.encoder.transform(cells)
    if name == "logistic_regression":
        background = member.encoder.transform(problem.cells.take(problem.split.train[:50]))
        expected = shap.LinearExplainer(member.estimator, background).shap_values(matrix)
    else:
        expected = shap.TreeExplainer(member.estimator).shap_values(matrix)
    expected = expected[..., 1] if expected.ndim == 3 else expected
    np.testing.assert_allclose(found.values[..., 0], expected, atol=1e-5)


def test_sampled_values_come_close_to_those_of_all_orders(messy):
    problem = prepare_problem(messy[["flag", "word", "text", "day", "y"]], MESSY)
    blend = blend_of(problem, [fit(problem, "lightgbm"), fit(problem, "xgboost")])
    rows = problem.split.test[:5]
    found = explain(problem, blend, rows=rows, n_sampled=50)[1]
    background = problem.split.train[:50]

    def value(columns, row):
        """The blend's mean output where some columns are the row's and the others those of the background."""
        mixed = problem.cells.take(background)
        one = problem.cells.take(np.full(50, row))
        is_own = np.isin(mixed.sources, columns)
        texts = [
            own if source in columns else other
            for source, own, other in zip(mixed.text_sources, one.texts, mixed.texts, strict=True)
        ]
        values = np.where(is_own, one.values, mixed.values)
        return blend.blend(dataclasses.replace(mixed, values=values, texts=tuple(texts)))[:, 1].mean()

    n = len(problem.features)
    for place, row in enumerate(rows):
        exact = np.zeros(n)
        for order in itertools.permutations(range(n)):
            for step, column in enumerate(order):
                exact[column] += value(order[: step + 1], row) - value(order[:step], row)
        exact /= len(list(itertools.permutations(range(n))))
        np.testing.assert_allclose(found.values[place, :, 0], exact, atol=0.02)
        assert found.values[place, :, 0].sum() == pytest.approx(exact.sum())


def test_sampled_values_are_those_of_shaps_permutation_explainer():
    problem = prepare_problem(numbers(n_columns=2), dataclasses.replace(MESSY, column_types=NUMBERS))
    blend = blend_of(problem, [fit(problem, "lightgbm"), fit(problem, "xgboost")])
    explainer, found, cells = explain(problem, blend, n_sampled=20)
    masker = shap.maskers.Independent(problem.cells.take(problem.split.train[:20]).values)
    theirs = shap.PermutationExplainer(
        lambda values: blend.blend(dataclasses.replace(cells, values=values))[:, 1], masker, seed=0
    )(cells.values, silent=True)
    assert explainer.explainer == "permutation"
    np.testing.assert_allclose(found.values[..., 0], theirs.values, atol=1e-9)  # an order and its reverse are all of 2
    np.testing.assert_allclose(found.base, theirs.base_values[0])


def test_a_row_is_explained_the_same_whatever_comes_with_it(messy, monkeypatch):
    problem = prepare_problem(messy, MESSY)
    blend = blend_of(problem, [fit(problem, "lightgbm"), fit(problem, "logistic_regression")])
    explainer, together, cells = explain(problem, blend)
    monkeypatch.setattr(sampled_shap, "BATCH_NUMBERS", 100)  # a few rows a call
    alone = explainer.explain(cells.take(np.array([4])), np.array([4]))
    np.testing.assert_allclose(alone.values[0], together.values[4], atol=1e-12)


def test_a_column_without_influence_gets_nothing(messy):
    problem = prepare_problem(messy, MESSY)
    blend = blend_of(problem, [fit(problem, "lightgbm"), fit(problem, "logistic_regression")])
    explainer, found, _ = explain(problem, blend)
    assert explainer.explainer == "permutation"
    for name in ("empty", "constant"):
        assert not found.values[:, problem.features.index(name)].any()
    assert np.abs(found.values[:, problem.features.index("word")]).max() > 0


def test_a_class_that_a_member_never_saw_gets_nothing_of_it(messy):
    problem = prepare_problem(messy, targets_of(messy, 3))
    whole = fit(problem, "extra_trees")
    known = problem.split.train[problem.y[problem.split.train] != 1]
    family = installed_families()["random_forest"]
    params = {**family.default("classification"), **SHORT["random_forest"]}
    part = Fitter(problem, 1).fit_rows(Configuration(family, params), known, None)
    alone = Member(part.encoder, None, np.array([2]), 3)
    blend = blend_of(problem, [whole, part, alone], [0.5, 0.25, 0.25])
    explainer, found, cells = explain(problem, blend)
    assert explainer.explainer == "tree"
    assert_adds_up(blend, explainer, found, cells)


def test_one_row_of_many_columns_takes_a_bounded_number_of_predictions():
    rng = np.random.default_rng(0)
    n = 1_000
    cells = Cells(rng.normal(size=(21, n)), (), np.zeros(n, dtype=bool), np.arange(n), (), np.zeros(n, dtype=np.int64))
    weights = rng.normal(size=(n, 1))
    calls = []

    def predict(rows):
        calls.append(len(rows.values))
        return rows.values @ weights

    row, background = cells.take(np.array([20])), cells.take(np.arange(20))
    values, base = sample_shap(predict, row, background, np.arange(n), n, seeds=np.array([1]))
    assert sum(calls) == predictions_per_row(n, 20) + 20 + 1
    assert max(calls) * n <= sampled_shap.BATCH_NUMBERS
    exact = (row.values[0] - background.values.mean(axis=0)) * weights[:, 0]
    np.testing.assert_allclose(values[0, :, 0], exact, atol=1e-9)
    np.testing.assert_allclose(base, (background.values @ weights).mean(axis=0))


class Rounded(LinearRegression):
    """Has coefficients, but its output is not their sum."""

    def predict(self, X):
        return np.round(super().predict(X))


def test_values_that_do_not_add_up_to_the_output_are_not_taken_for_exact():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    y = X @ np.array([1.0, 2.0, 3.0])
    assert find_exact_shap(LinearRegression().fit(X, y), X, n_predictions=100).output == "prediction"
    assert find_exact_shap(Rounded().fit(X, y), X, n_predictions=100) is None
    assert find_exact_shap(KNeighborsRegressor().fit(X, y), X, n_predictions=100) is None
    linear_in_leaves = lightgbm.LGBMRegressor(n_estimators=3, linear_tree=True, verbosity=-1, n_jobs=1).fit(X, y)
    assert find_exact_shap(linear_in_leaves, X, n_predictions=100) is None


def test_trees_too_deep_to_be_read_are_sampled(messy):
    problem = prepare_problem(messy, targets_of(messy, 0))
    member = fit(problem, "random_forest")
    matrix = member.encoder.transform(problem.cells.take(problem.split.train))
    assert find_exact_shap(member.estimator, matrix, n_predictions=100) is not None
    assert find_exact_shap(member.estimator, matrix, n_predictions=1) is None
