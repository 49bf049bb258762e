"""Tensors become rows, and answers tensors, as the protocol's text says."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.backends.mlflow.model_files import ModelColumn
from studio.errors import InvalidInput
from studio.inference_protocol.service.tensors import read_tensors, write_outputs
from studio.predictions import service as predictions

SCHEMA = predictions.InputSchema(
    [ModelColumn("x", "double"), ModelColumn("n", "long"), ModelColumn("word", "string"), ModelColumn("is", "boolean")]
)
KINDS = {
    "x": ("FP64", st.floats(allow_nan=False, allow_infinity=False)), "n": ("INT64", st.integers(-(2**63), 2**63 - 1)),
    "word": ("BYTES", st.text()), "is": ("BOOL", st.booleans()),
}  # fmt: skip


def tensor(name, datatype, shape, data):
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def faults(*tensors, schema=SCHEMA):
    with pytest.raises(InvalidInput) as refused:
        schema.check(read_tensors(tensors, schema))
    return dict(refused.value.fields)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.fixed_dictionaries({name: st.none() | kind for name, (_, kind) in KINDS.items()}), min_size=1),
    order=st.permutations(list(KINDS)),
    is_wide=st.booleans(),
    is_nested=st.booleans(),
)
def test_a_tensor_for_each_feature_is_a_column(rows, order, is_wide, is_nested):
    shape = [len(rows), 1] if is_wide else [len(rows)]
    sent = []
    for name in order:
        data = [row[name] for row in rows]
        sent.append(tensor(name, KINDS[name][0], shape, [[one] for one in data] if is_nested and is_wide else data))
    assert SCHEMA.check(read_tensors(sent, SCHEMA)) == rows


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.tuples(st.floats(-1e9, 1e9), st.integers(-(10**9), 10**9)), min_size=1), nested=st.booleans())
def test_one_tensor_has_the_columns_in_order(rows, nested):
    schema = predictions.InputSchema([ModelColumn("x", "double"), ModelColumn("n", "long")])
    data = [list(row) for row in rows] if nested else [value for row in rows for value in row]
    found = schema.check(read_tensors([tensor("any", "FP64", [len(rows), 2], data)], schema))
    assert found == [{"x": x, "n": n} for x, n in rows]


def test_one_tensor_of_texts_is_read_as_the_columns_say():
    sent = tensor("rows", "BYTES", [2, 4], ["1.5", "3", "a", "true", "", "4", "b", None])
    assert SCHEMA.check(read_tensors([sent], SCHEMA)) == [
        {"x": 1.5, "n": 3, "word": "a", "is": True}, {"x": None, "n": 4, "word": "b", "is": None},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("sent", "pointer", "told"),
    [
        (tensor("x", "FP64", [2], [1.0]), "/inputs/0/data", "2 values"),
        (tensor("x", "FP64", [1, 3], [1, 2, 3]), "/inputs/0/shape", "4 columns"),
        (tensor("x", "INT8", [1], [128]), "/inputs/0/data/0", "-128 to 127"),
        (tensor("x", "UINT8", [1], [-1]), "/inputs/0/data/0", "0 to 255"),
        (tensor("x", "INT32", [1], [1.0]), "/inputs/0/data/0", "whole number"),
        (tensor("x", "FP32", [1], [1e39]), "/inputs/0/data/0", "FP32"),
        (tensor("x", "BOOL", [1], [1]), "/inputs/0/data/0", "true or false"),
        (tensor("x", "BYTES", [1], [1]), "/inputs/0/data/0", "a text"),
        (tensor("x", "FP64", [1], ["1"]), "/inputs/0/data/0", "a number"),
        (tensor("x", "FP64", [2], [[1], 2]), "/inputs/0/data", "nested alike"),
        (tensor("x", "FP64", [0], []), "/inputs/0/shape", "at least one row"),
    ],
)
def test_what_is_no_such_tensor_is_told(sent, pointer, told):
    found = faults(sent)
    assert told in found[pointer]


def test_tensors_must_go_together():
    x = tensor("x", "FP64", [1], [1.0])
    longer = tensor("n", "INT64", [2], [1, 2])
    assert faults(x, longer) == {"/inputs/1/shape": "must be [1] or [1, 1], as of the first tensor"}
    assert faults(x, x) == {"/inputs/1/name": "stands twice"}
    assert faults(x, tensor("more", "BOOL", [1], [True])) == {
        "/inputs (n)": "is required", "/inputs (word)": "is required", "/inputs (is)": "is required",
        "/inputs/1": "unknown feature",
    }  # fmt: skip


def predicted(values, probabilities=None):
    return predictions.Predicted("mdl-1", "ver-001", "dep-1", values, probabilities, ["prd-1"] * len(values), {})


@pytest.mark.parametrize(
    ("values", "datatype", "shape", "data"),
    [
        (["late", None], "BYTES", [2], ["late", None]), ([1, 2], "INT64", [2], [1, 2]),
        ([1.5, 2], "FP64", [2], [1.5, 2]), ([1, None], "FP64", [2], [1, None]), ([True], "BOOL", [1], [True]),
        ([[1, 2], [3, 4]], "INT64", [2, 2], [1, 2, 3, 4]), ([{"a": 1}], "BYTES", [1], ["{'a': 1}"]),
        ([[1], [2, 3]], "BYTES", [2], ["[1]", "[2, 3]"]),
    ],
)  # fmt: skip
def test_predictions_are_a_tensor_of_their_kind(values, datatype, shape, data):
    [output] = write_outputs(predicted(values), None)
    assert output == {"name": "prediction", "datatype": datatype, "shape": shape, "data": data}
    assert math.prod(output["shape"]) == len(output["data"])


def test_probabilities_are_a_table_with_its_classes():
    found = predicted(["a", "b"], [{"a": 0.75, "b": 0.25}, {"a": 0.5, "b": 0.5}])
    assert write_outputs(found, ["probability"]) == [
        {
            "name": "probability", "shape": [2, 2], "datatype": "FP64", "data": [0.75, 0.25, 0.5, 0.5],
            "parameters": {"classes": ["a", "b"]},
        }
    ]  # fmt: skip
    with pytest.raises(InvalidInput) as refused:
        write_outputs(found, ["prediction", "score"])
    assert refused.value.fields == [("/outputs/1/name", "must be one of prediction, probability")]
