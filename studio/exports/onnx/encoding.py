"""The matrix of an ``Encoder``, made in a graph."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler, TargetEncoder

from studio.automl.preprocessing import Encoder, Encoding, _Categories, _Lookup, _Numbers
from studio.exports.onnx.graph import DOUBLE, CannotConvert, FloatArray, Graph, require_known
from studio.exports.onnx.inputs import Inputs
from studio.exports.onnx.ranks import add_ranks

_ENCODER: Final = (
    "encoding", "random_state", "_number_cells", "_numbers", "_category_cells", "_categories", "_texts", "sources_",
    "categorical_",
)  # fmt: skip
_ENCODING: Final = ("categories", "missing", "scale", "max_categories")
_NUMBERS: Final = ("encoding", "random_state", "origins", "gappy", "scalers", "fills")
_CATEGORIES: Final = ("encoding", "random_state", "is_classification", "origins", "lookups", "targets")
_LOOKUP: Final = ("rare_slot", "missing_slot", "n_slots", "table")


def add_matrix(graph: Graph, inputs: Inputs, encoder: Encoder) -> str:
    """The encoder's matrix, of shape (rows, n_columns).

    Raises:
        CannotConvert: It has a part this code does not know, or reads words, which ONNX does not tell apart as
            scikit-learn does.
    """
    require_known(encoder, Encoder, _ENCODER)
    require_known(encoder.encoding, Encoding, _ENCODING)
    for name, model in zip(inputs.texts, encoder._texts, strict=True):
        if model is not None:
            raise CannotConvert(f"the words of the text column {name!r}")
    blocks = _add_numbers(graph, inputs, encoder) + _add_categories(graph, inputs, encoder)
    if not blocks:
        return graph.zeros(inputs.any)
    return graph.op("Concat", *blocks, axis=1)


def slots_of(encoder: Encoder) -> list[int]:
    """Category codes that each column of the encoder's matrix may hold, 0 for numbers."""
    slots = [0] * len(encoder.sources_)
    if encoder.categorical_:
        for column, lookup in zip(encoder.categorical_, encoder._categories.lookups, strict=True):
            slots[column] = lookup.n_slots
    return slots


def _add_numbers(graph: Graph, inputs: Inputs, encoder: Encoder) -> list[str]:
    numbers, cells = encoder._numbers, encoder._number_cells
    require_known(numbers, _Numbers, _NUMBERS)
    if not len(cells):
        return []
    given = graph.columns(inputs.numbers, [inputs.places[cell] for cell in cells.tolist()])
    is_missing = graph.op("IsNaN", given)
    matrix = given
    if numbers.encoding.missing != "native":
        matrix = graph.op("Where", is_missing, graph.constant(numbers.fills[None, :]), given)
    if numbers.scalers:
        matrix = _scale(graph, matrix, numbers.scalers)
    if not len(numbers.gappy):
        return [matrix]
    return [matrix, graph.op("Cast", graph.columns(is_missing, numbers.gappy), to=DOUBLE)]


def _scale(graph: Graph, matrix: str, scalers: list[tuple[npt.NDArray[np.int64], Any]]) -> str:
    """Each scaler's columns, put back where they were."""
    blocks = [_apply(graph, graph.columns(matrix, places), scaler) for places, scaler in scalers]
    order = np.argsort(np.concatenate([places for places, _ in scalers]))
    return graph.columns(graph.op("Concat", *blocks, axis=1), order)


def _apply(graph: Graph, matrix: str, scaler: Any) -> str:
    if type(scaler) is Pipeline:
        for _, step in scaler.steps:
            matrix = _apply(graph, matrix, step)
        return matrix
    if type(scaler) is StandardScaler:
        centred = graph.op("Sub", matrix, graph.constant(scaler.mean_[None, :]))
        return graph.op("Div", centred, graph.constant(scaler.scale_[None, :]))
    if type(scaler) is QuantileTransformer and scaler.output_distribution == "normal":
        return add_ranks(graph, matrix, scaler.quantiles_, scaler.references_)
    raise CannotConvert(f"columns scaled by {type(scaler).__name__}")


def _add_categories(graph: Graph, inputs: Inputs, encoder: Encoder) -> list[str]:
    """Codes to slots, and slots to their part of the matrix, each by one table for all columns."""
    categories, cells = encoder._categories, encoder._category_cells
    require_known(categories, _Categories, _CATEGORIES)
    if not len(cells):
        return []
    for lookup in categories.lookups:
        require_known(lookup, _Lookup, _LOOKUP)
    codes = graph.columns(inputs.codes, [inputs.places[cell] for cell in cells.tolist()])
    slots = _look_up(graph, codes, [lookup.table.astype(np.int64) for lookup in categories.lookups])
    how = categories.encoding.categories
    if how == "onehot":
        wanted = np.concatenate([np.arange(lookup.n_slots) for lookup in categories.lookups])
        is_hot = graph.op("Equal", graph.columns(slots, categories.origins), graph.constant(wanted[None, :], np.int64))
        return [graph.op("Cast", is_hot, to=DOUBLE)]
    if how not in ("native", "ordinal", "target"):
        raise CannotConvert(f"categories encoded as {how}")
    meanings = _meanings_of(categories)
    width = sum(table.shape[1] for table in meanings)
    shape = graph.constant([0, width], np.int64)  # 0: as many rows as there are
    return [graph.op("Reshape", _look_up(graph, slots, meanings), shape)]


def _look_up(graph: Graph, codes: str, tables: list[npt.NDArray[Any]]) -> str:
    """Entries of each column's table, of shape (rows, n_columns, *what an entry is)."""
    starts = np.cumsum([0, *(len(table) for table in tables[:-1])])
    whole = np.concatenate(tables)
    places = graph.op("Add", codes, graph.constant(starts[None, :], np.int64))
    return graph.op("Gather", graph.constant(whole, whole.dtype), places, axis=0)


def _meanings_of(categories: _Categories) -> list[FloatArray]:
    """What each slot of each column becomes, of shape (n_slots, width)."""
    sizes = [lookup.n_slots for lookup in categories.lookups]
    slots = np.minimum(np.arange(max(sizes))[:, None], np.array(sizes)[None, :] - 1).astype(np.float64)
    if categories.encoding.categories != "target":
        return [column[:size, None] for column, size in zip(categories._arrange(slots).T, sizes, strict=True)]
    if type(categories.targets) is not TargetEncoder:
        raise CannotConvert(f"categories encoded by {type(categories.targets).__name__}")
    encoded = np.asarray(categories.targets.transform(slots), dtype=np.float64)
    return [block[:size] for block, size in zip(np.split(encoded, len(sizes), axis=1), sizes, strict=True)]
