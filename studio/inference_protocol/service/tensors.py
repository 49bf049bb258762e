"""Tensors of the protocol, to and from rows."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from studio.domain.tensors import WHOLE
from studio.errors import InvalidInput
from studio.predictions import service as predictions

LARGEST_FP32: Final = 3.4028235677973366e38


def read_tensors(inputs: Sequence[Mapping[str, Any]], schema: predictions.InputSchema) -> predictions.Given:
    """The rows of some tensors: one for each feature, of shape [n] or [n, 1], or one of shape [n, features].

    Args:
        inputs: As ``check_request`` found them to be right.
        schema: What the version takes; a single tensor has its columns in order.

    Raises:
        InvalidInput: They are no rows; names what is wrong.
        TooLarge: They are too many.
    """
    only = inputs[0]
    if len(inputs) == 1 and len(only["shape"]) == 2 and (only["shape"][1] > 1 or only["name"] not in schema.columns):
        return _read_table(only, schema)
    n_rows = only["shape"][0] if only["shape"] else 0
    columns: dict[str, list[Any]] = {}
    places: dict[str, int] = {}
    for place, tensor in enumerate(inputs):
        shape = tensor["shape"]
        if shape not in ([n_rows], [n_rows, 1]):
            raise _fault(f"/inputs/{place}/shape", f"must be [{n_rows}] or [{n_rows}, 1], as of the first tensor")
        if tensor["name"] in columns:
            raise _fault(f"/inputs/{place}/name", "stands twice")
        columns[tensor["name"]], places[tensor["name"]] = _flat(tensor, place), place
    predictions.check_row_count(n_rows, "/inputs/0/shape")

    def point(row: int | None, name: str) -> str:
        if name not in places:
            return f"/inputs ({name})"
        return f"/inputs/{places[name]}" if row is None else f"/inputs/{places[name]}/data/{row} ({name})"

    return predictions.GivenColumns(columns, n_rows, point)


def _read_table(tensor: Mapping[str, Any], schema: predictions.InputSchema) -> predictions.Given:
    """One tensor with a column for each feature; texts are read as their column says."""
    n_rows, n_columns = tensor["shape"]
    if schema.names is None:
        raise _fault("/inputs/0/shape", "send a tensor for each feature: the version does not name its columns")
    if n_columns != len(schema.names):
        raise _fault("/inputs/0/shape", f"must have {len(schema.names)} columns: {', '.join(schema.names[:20])}")
    predictions.check_row_count(n_rows, "/inputs/0/shape")
    data, columns = _flat(tensor, 0), {}
    for place, name in enumerate(schema.names):
        values = data[place::n_columns]
        if tensor["datatype"] == "BYTES":
            values = predictions.read_texts(schema.columns[name], ["" if value is None else value for value in values])
        columns[name] = values
    return predictions.GivenColumns(
        columns, n_rows, lambda row, name: "/inputs/0" if row is None else f"/inputs/0 (row {row}, {name})"
    )


def _flat(tensor: Mapping[str, Any], place: int) -> list[Any]:
    """The data in row-major order, whether it was sent so or nested; null is a missing value."""
    data, n_values = tensor["data"], math.prod(tensor["shape"])
    while data and isinstance(data[0], list):
        if not all(isinstance(part, list) for part in data):
            raise _fault(f"/inputs/{place}/data", "must be nested alike throughout, or flat")
        data = [value for part in data for value in part]
    if len(data) != n_values:
        raise _fault(f"/inputs/{place}/data", f"must have {n_values} values, as the shape says, not {len(data)}")
    is_right, told = _check_of(tensor["datatype"])
    for number, value in enumerate(data):
        if value is not None and not is_right(value):
            raise _fault(f"/inputs/{place}/data/{number}", told)
    return list(data)


def _check_of(datatype: str) -> tuple[Callable[[Any], bool], str]:
    if datatype == "BOOL":
        return lambda value: isinstance(value, bool), "must be true or false"
    if datatype == "BYTES":
        return lambda value: isinstance(value, str), "must be a text"
    if datatype in WHOLE:
        sign, bits = WHOLE[datatype]
        least, end = (0, 2**bits) if sign else (-(2 ** (bits - 1)), 2 ** (bits - 1))
        told = f"must be a whole number from {least} to {end - 1}"
        return lambda value: type(value) is int and least <= value < end, told
    most = LARGEST_FP32 if datatype == "FP32" else math.inf
    return lambda value: type(value) in (int, float) and abs(value) < most, f"must be a number of {datatype}"


def write_outputs(found: predictions.Predicted, wanted: Sequence[str] | None) -> list[dict[str, Any]]:
    """The tensors of an answer.

    Args:
        found: What was predicted.
        wanted: Their names, None for all there are.
    """
    outputs = {"prediction": _prediction(list(found.predictions))}
    if found.probabilities:
        classes = list(found.probabilities[0])
        outputs["probability"] = {
            "name": "probability",
            "shape": [len(found.probabilities), len(classes)],
            "datatype": "FP64",
            "data": [shares[label] for shares in found.probabilities for label in classes],
            "parameters": {"classes": classes},
        }
    names = list(outputs) if wanted is None else wanted
    unknown = [place for place, name in enumerate(names) if name not in outputs]
    if unknown:
        raise _fault(f"/outputs/{unknown[0]}/name", f"must be one of {', '.join(outputs)}")
    return [outputs[name] for name in names]


def _prediction(values: list[Any]) -> dict[str, Any]:
    shape = [len(values)]
    widths = {len(value) if isinstance(value, list) else -1 for value in values}
    if widths and -1 not in widths and len(widths) == 1:
        shape.append(widths.pop())
        values = [inner for value in values for inner in value]
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        datatype = "BOOL"
    elif kinds == {int} and None not in values:
        datatype = "INT64"
    elif kinds <= {int, float}:
        datatype = "FP64"
    else:
        datatype, values = "BYTES", [value if isinstance(value, str | None) else str(value) for value in values]
    return {"name": "prediction", "shape": shape, "datatype": datatype, "data": values}


def _fault(at: str, told: str) -> InvalidInput:
    return InvalidInput("1 field was refused", fields=[(at, told)])
