import pytest

from studio.backends.mlflow.model_files import ModelColumn
from studio.errors import InvalidInputs
from studio.predictions.service.inputs import check_inputs

TYPES = ("integer", "long", "float", "double", "string", "boolean", "datetime", "binary")
COLUMNS = [ModelColumn(f"a {kind}", kind) for kind in TYPES]
GOOD = {
    "a integer": 3, "a long": 2**62, "a float": 1, "a double": 1.5, "a string": "x", "a boolean": True,
    "a datetime": "2026-05-03T07:00:00Z", "a binary": "AA==",
}  # fmt: skip


def faults(**changes):
    with pytest.raises(InvalidInputs) as refused:
        check_inputs({**GOOD, **{name.replace("_", " "): value for name, value in changes.items()}}, COLUMNS, at="/in")
    return refused.value.fields


def test_a_row_that_fits_passes():
    check_inputs(GOOD, COLUMNS, at="/in")


def test_null_is_a_missing_value_of_any_column():
    check_inputs(dict.fromkeys(GOOD), COLUMNS, at="/in")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("a_integer", 3.0), ("a_integer", -(2**31)), ("a_long", -1), ("a_double", -7), ("a_double", 10**30),
        ("a_string", ""), ("a_boolean", False), ("a_datetime", "2026-05-03"),
        ("a_datetime", "2026-05-03 07:00:00+02:00"), ("a_binary", [1, 2]),
    ],
)  # fmt: skip
def test_values_that_fit_pass(name, value):
    check_inputs({**GOOD, name.replace("_", " "): value}, COLUMNS, at="/in")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("a_integer", 3.5, "whole number"), ("a_integer", 2**31, "between"), ("a_integer", "3", "whole number"),
        ("a_long", True, "whole number"), ("a_long", 2**63, "between"), ("a_long", 1e30, "between"),
        ("a_float", "1", "a number"), ("a_double", False, "a number"), ("a_double", [1], "a number"),
        ("a_string", 1, "a text"), ("a_string", ["x"], "a text"), ("a_boolean", 1, "true or false"),
        ("a_boolean", "true", "true or false"),
        ("a_datetime", "yesterday", "a time"), ("a_datetime", 20260503, "a time"),
    ],
)  # fmt: skip
def test_a_wrong_type_is_named(name, value, message):
    ((pointer, told),) = faults(**{name: value})
    assert pointer == f"/in/{name.replace('_', ' ')}"
    assert message in told


def test_every_fault_is_named_at_once():
    row = {"a/b": 1.0, "c~d": "x", "extra": 1}
    columns = [ModelColumn("a/b", "double"), ModelColumn("c~d", "double"), ModelColumn("gone", "string")]
    with pytest.raises(InvalidInputs) as refused:
        check_inputs(row, columns, at="/inputs")
    assert dict(refused.value.fields) == {
        "/inputs/gone": "is required",
        "/inputs/c~0d": "must be a number",
        "/inputs/extra": "unknown feature",
    }


def test_a_column_that_is_not_required_may_be_left_out():
    check_inputs({}, [ModelColumn("a", "double", required=False)], at="/inputs")
