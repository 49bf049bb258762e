"""Rows of a dataset on their way through a model."""

import pyarrow as pa
import pytest

from studio.backends.mlflow.model_files import ModelColumn
from studio.backends.serving.port import Answer
from studio.batch_predictions.jobs.chunks import MAX_LONE, predict_chunk
from studio.errors import PredictionFailed
from studio.predictions import service as predictions

SCHEMA = predictions.InputSchema([ModelColumn("x", "double"), ModelColumn("word", "string")])


class Model:
    """Doubles x; fails at 13, and counts how often it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, rows):
        self.asked.append(rows)
        if any(row["x"] == 13 for row in rows):
            raise PredictionFailed("ValueError: unlucky")
        return Answer([row["x"] * 2 for row in rows], [{"a/b": 0.25, "c": 0.75} for _ in rows], 1.0)


def chunk_of(**columns):
    return pa.RecordBatch.from_pydict(columns)


def predict(chunk, model=None, schema=SCHEMA, kind="double"):
    return predict_chunk(chunk, 100, schema, model or Model(), kind)


def test_the_result_has_the_columns_of_the_dataset_and_of_the_prediction():
    found = predict(chunk_of(word=["a", "b"], x=[1.0, 2.0], prediction=[7, 8], more=[True, False]))
    table = found.table.to_pydict()
    ids = table.pop("prediction_id")
    assert table == {
        "word": ["a", "b"], "x": [1.0, 2.0], "dataset_prediction": [7, 8], "more": [True, False],
        "prediction": [2.0, 4.0], "probability_a/b": [0.25, 0.25], "probability_c": [0.75, 0.75],
    }  # fmt: skip
    assert len(set(ids)) == 2
    assert all(one.startswith("prd-") for one in ids)
    assert (found.n_failed, found.errors) == (0, [])


def test_a_row_that_does_not_fit_says_which_column_and_the_others_are_predicted():
    found = predict(chunk_of(x=["1", "many", "2.5"], word=["a", "b", None]))
    assert found.table["prediction"].to_pylist() == [2.0, 5.0]
    assert [(error.row, error.column, error.message) for error in found.errors] == [(102, "x", "must be a number")]


def test_a_row_at_which_the_model_fails_is_found():
    model = Model()
    found = predict(chunk_of(x=[1.0, 13.0, 2.0, 3.0, 4.0], word=["a"] * 5), model)
    assert found.table["x"].to_pylist() == [1.0, 2.0, 3.0, 4.0]
    assert [(error.row, error.column, error.message) for error in found.errors] == [(102, "", "ValueError: unlucky")]
    assert found.n_failed == 1


def test_a_model_that_always_fails_is_not_asked_for_every_row():
    model = Model()
    found = predict(chunk_of(x=[13.0] * 4000, word=["a"] * 4000), model)
    assert found.n_failed == len(found.errors) == 4000
    assert len(model.asked) < 5 * MAX_LONE


@pytest.mark.parametrize(
    ("column", "kind", "expected"),
    [
        (pa.array([1, None, 30]), "string", ["1", None, "30"]),
        (pa.array([1.0, 2.5]), "string", ["1", "2.5"]),
        (pa.array([True, None]), "string", ["true", None]),
        (pa.array([True, False, None]), "double", [1, 0, None]),
        (pa.array(["1", "NA", "2.5"]), "double", [1.0, None, 2.5]),
        (pa.array(["TRUE", "false", None]), "boolean", [True, False, None]),
        (pa.array([0], pa.timestamp("us", tz="UTC")), "datetime", ["1970-01-01T00:00:00+00:00"]),
        (pa.array(["2026-05-03"]), "datetime", ["2026-05-03"]),
    ],
)
def test_values_become_what_the_version_takes(column, kind, expected):
    asked = []

    def ask(rows):
        asked.extend(row["x"] for row in rows)
        return Answer([None] * len(rows), None, 1.0)

    schema = predictions.InputSchema([ModelColumn("x", kind)])
    found = predict(pa.RecordBatch.from_arrays([column], ["x"]), ask, schema)
    assert asked == expected
    assert found.errors == []


def test_predictions_of_no_known_type_are_texts():
    def ask(rows):
        return Answer([["a", 1] for _ in rows], None, 1.0)

    found = predict(chunk_of(x=[1.0], word=["a"]), ask, kind="double")
    assert found.table["prediction"].to_pylist() == ['["a",1]']
