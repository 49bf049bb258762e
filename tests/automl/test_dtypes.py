"""Every way pandas stores a column reads the same."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from studio.automl.columns import ColumnReader
from studio.automl.plan import Plan
from studio.automl.problem import prepare_problem

NUMBERS = [1.0, 2.0, None, 4.0] * 10
WORDS = ["a", "b", None, "a"] * 10
FLAGS = [True, False, None, True] * 10


@pytest.mark.parametrize("dtype", ["float64", "Float64", "Int64", "object", pd.ArrowDtype(pa.int64())])
def test_numbers(dtype):
    column = (
        pd.Series(NUMBERS, dtype="float64").astype(dtype) if dtype != "object" else pd.Series(NUMBERS, dtype=object)
    )
    cells = ColumnReader({"c": "number"}).fit(frame := pd.DataFrame({"c": column})).transform(frame)
    np.testing.assert_array_equal(cells.values[:4, 0], [1, 2, np.nan, 4])


@pytest.mark.parametrize("dtype", ["str", "string", "object", "category", pd.ArrowDtype(pa.string())])
def test_words(dtype):
    frame = pd.DataFrame({"c": pd.Series(WORDS, dtype=object).astype(dtype)})
    cells = ColumnReader({"c": "category"}).fit(frame).transform(frame)
    np.testing.assert_array_equal(cells.values[:4, 0], [0, 1, np.nan, 0])


@pytest.mark.parametrize("dtype", ["boolean", "object", pd.ArrowDtype(pa.bool_())])
def test_flags(dtype):
    frame = pd.DataFrame({"c": pd.Series(FLAGS, dtype=object).astype(dtype)})
    for kind, expected in (
        ("boolean", [1, 0, np.nan, 1]),
        ("category", [1, 0, np.nan, 1]),
        ("number", [1, 0, np.nan, 1]),
    ):
        cells = ColumnReader({"c": kind}).fit(frame).transform(frame)
        np.testing.assert_array_equal(cells.values[:4, 0], expected)


@pytest.mark.parametrize("dtype", ["datetime64[ns, UTC]", "object", pd.ArrowDtype(pa.timestamp("us", "UTC"))])
def test_stamps(dtype):
    stamps = pd.Series(pd.to_datetime(["2024-01-01T06:00Z", None] * 20, utc=True)).astype(dtype)
    frame = pd.DataFrame({"c": stamps})
    cells = ColumnReader({"c": "datetime"}).fit(frame).transform(frame)
    np.testing.assert_array_equal(cells.values[0, 1:6], [2024, 1, 1, 0, 6])
    assert np.isnan(cells.values[1]).all()


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "boolean", pd.ArrowDtype(pa.int64())])
def test_nullable_targets(dtype):
    target = pd.Series([1, 0, None, 1] * 10, dtype="Int64").astype(dtype)
    frame = pd.DataFrame({"a": np.arange(40.0), "y": target}).set_index(np.arange(40) * 7)
    problem = prepare_problem(frame, Plan(task="classification", target="y", column_types={"a": "number"}))
    assert problem.labels == (("False", "True") if dtype == "boolean" else ("0", "1"))
    assert len(problem.rows) == 30


def test_the_same_table_with_another_index_gives_the_same_problem():
    frame = pd.DataFrame({"a": np.arange(40.0), "y": list("pq") * 20})
    plan = Plan(task="classification", target="y", column_types={"a": "number"})
    first, second = prepare_problem(frame, plan), prepare_problem(frame.set_index(np.zeros(40)), plan)
    np.testing.assert_array_equal(first.split.test, second.split.test)
    np.testing.assert_array_equal(first.cells.values, second.cells.values)
