import pytest

from studio.backends.mlflow.model_files import ModelColumn
from studio.predictions.service.cells import are_right, find_fault


@pytest.mark.parametrize("kind", ["integer", "long", "float", "double", "string", "boolean", "datetime", "binary"])
def test_null_is_a_missing_value_of_any_column(kind):
    assert find_fault(ModelColumn("x", kind), None) is None
    assert are_right(ModelColumn("x", kind), [None, None])


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("integer", 3.0), ("integer", -(2**31)), ("long", -1), ("double", -7), ("double", 10**30), ("string", ""),
        ("boolean", False), ("datetime", "2026-05-03"), ("datetime", "2026-05-03 07:00:00+02:00"), ("binary", [1, 2]),
    ],
)  # fmt: skip
def test_values_that_fit_pass(kind, value):
    assert find_fault(ModelColumn("x", kind), value) is None


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("integer", 3.5, "whole number"), ("integer", 2**31, "between"), ("integer", "3", "whole number"),
        ("long", True, "whole number"), ("long", 2**63, "between"), ("long", 1e30, "between"),
        ("float", "1", "a number"), ("double", False, "a number"), ("double", [1], "a number"),
        ("double", float("nan"), "a number"), ("double", float("inf"), "a number"), ("double", 10**400, "a number"),
        ("string", 1, "a text"), ("string", ["x"], "a text"), ("boolean", 1, "true or false"),
        ("boolean", "true", "true or false"),
        ("datetime", "yesterday", "a time"), ("datetime", 20260503, "a time"),
    ],
)  # fmt: skip
def test_a_wrong_type_is_named(kind, value, message):
    assert message in find_fault(ModelColumn("x", kind), value)
    assert not are_right(ModelColumn("x", kind), [value])
    assert not are_right(ModelColumn("x", kind), [None, value])
