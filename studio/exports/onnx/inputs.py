"""The table's columns as inputs of a graph, and the cells made of them, as ``ColumnReader`` makes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from onnx import TensorProto

from studio.automl.columns import EPOCH, LARGEST, ColumnReader, read_stamps, read_texts, read_truth
from studio.exports.onnx.dates import add_date_parts
from studio.exports.onnx.graph import DOUBLE, ML, CannotConvert, Graph, require_known

KINDS: Final = {
    "number": "a number; NaN where missing",
    "boolean": "1 or 0; NaN where missing",
    "category": "text without white space around it, whole numbers without decimals; empty where missing",
    "datetime": "seconds since 1970-01-01T00:00:00Z; NaN where missing",
}
_READER: Final = (
    "column_types", "feature_names_in_", "n_features_in_", "categories_", "_codes", "_sources", "_n_codes",
    "_is_category", "_text_sources", "written",
)  # fmt: skip


@dataclass(frozen=True)
class Inputs:
    """What the graph makes of its inputs.

    Attributes:
        numbers: Value of shape (rows, n_numbers), empty where there are none.
        codes: Value of shape (rows, n_categories), whole numbers: the code of a category, then one for unknown ones
            and one for missing ones; empty where there are none.
        places: Column of ``numbers`` or ``codes``, by cell of the reader.
        any: One of the inputs.
        texts: Names of the text columns, which are no inputs.
    """

    numbers: str
    codes: str
    places: Mapping[int, int]
    any: str
    texts: Sequence[str]


def add_inputs(graph: Graph, reader: ColumnReader) -> Inputs:
    """Declare an input for each column but texts, and read it.

    Raises:
        CannotConvert: The reader is not one this code knows, or has texts alone.
    """
    names = named_by_kind(reader)
    inputs = [
        (n, TensorProto.STRING if k == "category" else DOUBLE) for n, k in reader.column_types.items() if k != "text"
    ]
    for name, kind in inputs:
        graph.input(name, kind)
    if not inputs:
        raise CannotConvert("a table of text columns alone")
    cells = _cells_of(reader)
    numbers, order = _add_numbers(graph, names)
    places = {cells[key]: place for place, key in enumerate(order)}
    places |= {cells[name, 0]: place for place, name in enumerate(names["category"])}
    return Inputs(numbers, _add_codes(graph, reader, names["category"]), places, inputs[0][0], names["text"])


def named_by_kind(reader: ColumnReader) -> dict[str, list[str]]:
    """Names of the columns of each kind. Raises CannotConvert."""
    require_known(reader, ColumnReader, _READER)
    names: dict[str, list[str]] = {kind: [] for kind in (*KINDS, "text")}
    for name, kind in reader.column_types.items():
        if kind not in names:
            raise CannotConvert(f"a column of the type {kind}")
        names[kind].append(name)
    return names


def feeds_of(reader: ColumnReader, frame: pd.DataFrame) -> dict[str, npt.NDArray[Any]]:
    """The rows of a frame as the graph takes them."""
    feeds: dict[str, npt.NDArray[Any]] = {}
    for name, kind in reader.column_types.items():
        column = frame[name]
        if kind == "category":
            feeds[name] = np.array([[text or ""] for text in read_texts(column)], dtype=object).reshape(-1, 1)
        elif kind == "datetime":
            seconds = (read_stamps(column) - EPOCH) / pd.Timedelta(seconds=1)
            feeds[name] = seconds.to_numpy(dtype=np.float64, na_value=np.nan).reshape(-1, 1)
        elif kind == "boolean":
            feeds[name] = read_truth(column).reshape(-1, 1)
        elif kind == "number":
            numbers = pd.to_numeric(column.astype(object), errors="coerce")
            feeds[name] = numbers.to_numpy(dtype=np.float64, na_value=np.nan).reshape(-1, 1)
    return feeds


def _cells_of(reader: ColumnReader) -> dict[tuple[str, int], int]:
    """Which cell of the reader the parts of each column are."""
    names, parts, cells = list(reader.column_types), dict[int, int](), {}
    for cell, source in enumerate(reader._sources.tolist()):
        part = parts[source] = parts.get(source, -1) + 1
        cells[names[source], part] = cell
    return cells


def _add_numbers(graph: Graph, names: Mapping[str, list[str]]) -> tuple[str, list[tuple[str, int]]]:
    """One matrix of all cells that hold numbers, and which part of which column each column of it is."""
    blocks: list[str] = []
    order: list[tuple[str, int]] = []
    if names["number"]:
        given = graph.op("Concat", *names["number"], axis=1)
        high, low = graph.constant(LARGEST), graph.constant(-LARGEST)
        cut = graph.op("Where", graph.op("Greater", given, high), high, given)
        cut = graph.op("Where", graph.op("Less", given, low), low, cut)
        blocks.append(graph.op("Where", graph.op("IsInf", given), graph.constant(np.nan), cut))
        order += [(name, 0) for name in names["number"]]
    if names["boolean"]:
        given = graph.op("Concat", *names["boolean"], axis=1)
        is_one, is_zero = (graph.op("Equal", given, graph.constant(value)) for value in (1.0, 0.0))
        blocks.append(graph.op("Where", graph.op("Or", is_one, is_zero), given, graph.constant(np.nan)))
        order += [(name, 0) for name in names["boolean"]]
    if names["datetime"]:
        parts = add_date_parts(graph, graph.op("Concat", *names["datetime"], axis=1))
        blocks += parts
        order += [(name, part) for part in range(len(parts)) for name in names["datetime"]]
    return (graph.op("Concat", *blocks, axis=1) if blocks else ""), order


def _add_codes(graph: Graph, reader: ColumnReader, names: list[str]) -> str:
    codes = []
    for name in names:
        texts = reader.categories_[name]
        unknown, missing = len(texts), len(texts) + 1
        codes.append(
            graph.op(
                "LabelEncoder", name, domain=ML, keys_strings=[*texts, ""],
                values_int64s=[*range(len(texts)), missing], default_int64=unknown,
            )
        )  # fmt: skip
    return graph.op("Concat", *codes, axis=1) if codes else ""
