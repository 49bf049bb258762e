"""Tables that cannot be trained on are refused with the reason; the others are made ready."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from studio.automl.plan import Plan, Preprocessing, Validation
from studio.automl.problem import check_table, prepare_problem
from studio.errors import (
    ConfigIncomplete,
    TargetInFeatures,
    TooFewRows,
    UnknownColumn,
    UnknownMetric,
    UntrainableTarget,
)

TYPES = {"a": "number", "b": "category", "y": "category"}


def table(y):
    n = len(y)
    return pd.DataFrame({"a": np.arange(n) * 1.0, "b": list("xyz" * n)[:n], "y": y})


def plan(task="classification", **changes):
    return dataclasses.replace(Plan(task=task, target="y", column_types=TYPES), **changes)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"target": "z"}, UnknownColumn, "no column 'z'"),
        ({"features": ("a", "gone")}, UnknownColumn, "no column 'gone'"),
        ({"validation": Validation(split="group", group_column="gone")}, UnknownColumn, "gone"),
        ({"validation": Validation(split="time")}, ConfigIncomplete, "time_column"),
        ({"features": ("a", "y")}, TargetInFeatures, "'y'"),
        ({"column_types": {"y": "category"}}, ConfigIncomplete, "No feature column"),
        ({"metric": "rmse"}, UnknownMetric, "rmse"),
    ],
)
def test_a_plan_that_does_not_fit_the_table_is_refused(changes, error, words):
    with pytest.raises(error, match=words):
        prepare_problem(table(list("pq") * 10), plan(**changes))


@pytest.mark.parametrize(
    ("task", "target", "error", "words"),
    [
        ("classification", ["p"] * 20, UntrainableTarget, "'p' in every row"),
        ("classification", [None] * 20, UntrainableTarget, "no value"),
        ("classification", [f"id {i}" for i in range(20)], UntrainableTarget, "20 different values in 20 rows"),
        ("classification", ["p", "q", "p", "q", *[None] * 16], TooFewRows, "4 rows have a target"),
        ("regression", [3.0] * 20, UntrainableTarget, "3 in every row"),
        ("regression", ["many"] * 20, UntrainableTarget, "no number"),
        ("regression", [1.0, 2.0, 3.0], TooFewRows, "3 rows"),
        ("regression", [np.inf] * 20, UntrainableTarget, "no number"),
    ],
)
def test_a_target_without_anything_to_learn_is_refused(task, target, error, words):
    with pytest.raises(error, match=words):
        check_table(table(target), plan(task))


def test_rows_without_a_target_are_left_out():
    problem = prepare_problem(table(["p", None, "q", ""] * 10), plan())
    assert problem.rows.tolist() == [i for i in range(40) if i % 4 in (0, 2)]
    assert problem.labels == ("p", "q")
    assert problem.positive_label == "q"


@pytest.mark.parametrize(
    ("target", "classes", "labels"),
    [
        ([10, 9] * 10, [9, 10], ("9", "10")),
        ([1.0, 0.0, np.nan, 1.0] * 5, [0, 1], ("0", "1")),
        ([True, False] * 10, [False, True], ("False", "True")),
        (["b b", "a"] * 10, ["a", "b b"], ("a", "b b")),
        ([1, "x"] * 10, ["1", "x"], ("1", "x")),
    ],
)
def test_classes_keep_their_type_and_are_named_by_their_text(target, classes, labels):
    problem = prepare_problem(table(target), plan())
    assert problem.classes.tolist() == classes
    assert [type(value) for value in problem.classes.tolist()] == [type(value) for value in classes]
    assert problem.labels == labels


def test_all_columns_but_the_target_and_the_group_are_features():
    grouped = plan(validation=Validation(split="group", group_column="b"))
    assert prepare_problem(table(list("pq") * 30), plan()).features == ("a", "b")
    assert prepare_problem(table(list("pq") * 30), grouped).features == ("a",)
    assert prepare_problem(table(list("pq") * 30), plan(features=("b",))).features == ("b",)


def test_dropping_gaps_keeps_test_rows_and_ignores_empty_columns():
    frame = table(list("pq") * 50).assign(empty=None)
    frame.loc[frame.index % 3 == 0, "a"] = np.nan
    types = {**TYPES, "empty": "number"}
    problem = prepare_problem(frame, plan(column_types=types, preprocessing=Preprocessing(handle_missing="drop")))
    assert len(problem.split.test) == 20
    assert frame["a"].notna()[problem.rows[problem.split.development]].all()
    assert len(problem.split.development) == 80 - (34 - frame["a"].isna()[problem.rows[problem.split.test]].sum())


def test_a_metric_that_the_validation_rows_cannot_have_is_replaced():
    lone = table(["p"] * 30_000 + ["q"])  # the one row of q trains, so the holdout has one class
    assert prepare_problem(lone, plan(metric="roc_auc")).metric == "log_loss"
    assert prepare_problem(table(list("pq") * 20), plan(metric="roc_auc")).metric == "roc_auc"


@pytest.mark.parametrize(
    ("imbalance", "metric", "weighted"),
    [
        ("auto", "roc_auc", False),
        ("auto", "f1_score", True),
        ("none", "f1_score", False),
        ("class_weight", "roc_auc", True),
    ],
)
def test_rare_classes_weigh_more_where_it_helps(imbalance, metric, weighted):
    frame = table(["p"] * 45 + ["q"] * 5)
    assert prepare_problem(frame, plan(imbalance=imbalance, metric=metric)).has_class_weights is weighted
