"""Pipelines that others made with scikit-learn, as graphs: a column transformer before an estimator this code knows.

The columns go in as they are stored, without the reading that pipelines of the search do first: numbers as they are,
texts to the last blank. Whatever a transformer can be set to that is not named here is not converted.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from onnx import ModelProto, TensorProto
from sklearn.base import is_classifier, is_regressor
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler

from studio.automl.calibration import Calibration
from studio.exports.onnx.conversion import add_classes, add_numbers, note
from studio.exports.onnx.estimators import add_estimator
from studio.exports.onnx.graph import DOUBLE, ML, CannotConvert, Graph
from studio.exports.onnx.row_feeds import ABSENT

NUMBER, WORD = "float", "word"
_KINDS: Final = {
    **dict.fromkeys(("integer", "long", "float", "double", "boolean"), NUMBER),
    "string": WORD,
}


def convert_plain(pipeline: Any, stored_as: Mapping[str, str]) -> ModelProto:
    """An ONNX model of a fitted scikit-learn pipeline; inputs, outputs and metadata are as ``convert`` has them.

    A column of texts is of the kind ``word``: the text itself, or ``ABSENT`` where it is missing; any other one of the
    kind ``float``: a number, NaN where it is missing.

    Args:
        pipeline: A ``ColumnTransformer`` that picks columns by name, and an estimator.
        stored_as: MLflow's word for the type of each column it takes, in its order.

    Raises:
        CannotConvert: A part of it has no ONNX form here; says which.
    """
    if type(pipeline) is not Pipeline or len(pipeline.steps) != 2:
        raise CannotConvert(type(pipeline).__name__)
    transformer, estimator = (step for _, step in pipeline.steps)
    if type(transformer) is not ColumnTransformer:
        raise CannotConvert(type(transformer).__name__)
    kinds = {name: _KINDS.get(kind, "") for name, kind in stored_as.items()}
    if not all(kinds.values()):
        raise CannotConvert("columns of other types than numbers, texts and truth values")
    graph = Graph(list(kinds))
    for name, kind in kinds.items():
        graph.input(name, DOUBLE if kind == NUMBER else TensorProto.STRING)
    matrix = _add_transformer(graph, transformer, kinds)
    outputs = add_estimator(graph, matrix, estimator, [0] * int(estimator.n_features_in_))
    facts: dict[str, Any] = {"inputs": kinds}
    if is_classifier(estimator):
        facts["classes"] = add_classes(graph, outputs, estimator.classes_, Calibration())
    elif is_regressor(estimator):
        add_numbers(graph, outputs, are_whole=False)
    else:
        raise CannotConvert(type(estimator).__name__)
    made = graph.model()
    note(made, {name: json.dumps(fact, ensure_ascii=False) for name, fact in facts.items()})
    return made


def _add_transformer(graph: Graph, transformer: ColumnTransformer, kinds: Mapping[str, str]) -> str:
    """The matrix that it makes of the inputs, its parts side by side."""
    if transformer.transformer_weights:
        raise CannotConvert("a column transformer with weights")
    names, blocks = list(kinds), []
    for _, step, picked in transformer.transformers_:
        columns = _names_of(picked, names)
        if step == "drop" or not columns:
            continue
        if len({kinds[name] for name in columns}) != 1:
            raise CannotConvert("a step that takes both numbers and texts")
        block, kind = graph.op("Concat", *columns, axis=1), kinds[columns[0]]
        for part in _parts_of(step):
            block, kind = _add_part(graph, block, part, kind)
        if kind != NUMBER:
            raise CannotConvert("texts that no encoder makes numbers of")
        blocks.append(block)
    return graph.op("Concat", *blocks, axis=1)


def _names_of(picked: Any, names: Sequence[str]) -> list[str]:
    """The columns that a transformer was given, which may be picked by name, place or mask."""
    if isinstance(picked, slice):
        return list(names[picked])
    chosen = np.atleast_1d(np.asarray(picked))
    found = list(np.array(names, dtype=object)[chosen]) if chosen.dtype.kind in "biu" else [str(one) for one in chosen]
    if unknown := [name for name in found if name not in names]:
        raise CannotConvert(f"the column {unknown[0]!r}, which the signature does not have")
    return found


def _parts_of(step: Any) -> list[Any]:
    if type(step) is Pipeline:
        return [part for _, inner in step.steps for part in _parts_of(inner)]
    is_idle = step == "passthrough" or (type(step) is FunctionTransformer and step.func is None)
    return [] if is_idle else [step]


def _add_part(graph: Graph, block: str, part: Any, kind: str) -> tuple[str, str]:
    """What one transformer makes of a block, and of which kind that is."""
    add = _PARTS.get((type(part), kind))
    if add is None:
        raise CannotConvert(f"{type(part).__name__} of a {kind}")
    return add(graph, block, part), kind if type(part) is SimpleImputer else NUMBER


def _fill_numbers(graph: Graph, block: str, imputer: Any) -> str:
    fills = _fills_of(imputer, np.float64)
    return graph.op("Where", graph.op("IsNaN", block), graph.constant(fills[None, :]), block)


def _fill_words(graph: Graph, block: str, imputer: Any) -> str:
    fills = _fills_of(imputer, object)
    if not all(isinstance(fill, str) for fill in fills):
        raise CannotConvert("gaps that are filled with no text")
    return graph.op("Where", graph.op("Equal", block, graph.texts([ABSENT])), graph.texts(fills.tolist()), block)


def _fills_of(imputer: Any, dtype: Any) -> npt.NDArray[Any]:
    fills = np.asarray(imputer.statistics_, dtype=dtype)
    is_usual = isinstance(imputer.missing_values, float) and np.isnan(imputer.missing_values)
    if not is_usual or imputer.add_indicator or pd.isna(fills).any():
        raise CannotConvert("SimpleImputer with other settings than where gaps are NaN, seen and filled")
    return fills


def _standardize(graph: Graph, block: str, scaler: Any) -> str:
    if scaler.with_mean:
        block = graph.op("Sub", block, graph.constant(scaler.mean_[None, :]))
    return graph.op("Div", block, graph.constant(scaler.scale_[None, :])) if scaler.with_std else block


def _put_between(graph: Graph, block: str, scaler: Any) -> str:
    if scaler.clip:
        raise CannotConvert("MinMaxScaler that clips")
    scaled = graph.op("Mul", block, graph.constant(scaler.scale_[None, :]))
    return graph.op("Add", scaled, graph.constant(scaler.min_[None, :]))


def _spread(graph: Graph, block: str, encoder: Any) -> str:
    """One column per category."""
    is_gathering = encoder.min_frequency or encoder.max_categories
    if encoder.handle_unknown != "ignore" or encoder.drop_idx_ is not None or is_gathering:
        raise CannotConvert("OneHotEncoder that refuses unknown values, drops or gathers some")
    blocks = []
    for place, categories in enumerate(encoder.categories_):
        codes = _codes_of(graph, graph.columns(block, [place]), categories)
        is_hot = graph.op("Equal", codes, graph.constant(np.arange(len(categories))[None, :], np.int64))
        blocks.append(graph.op("Cast", is_hot, to=DOUBLE))
    return graph.op("Concat", *blocks, axis=1)


def _number(graph: Graph, block: str, encoder: Any) -> str:
    """A number per category."""
    if encoder.handle_unknown != "use_encoded_value" or encoder.min_frequency or encoder.max_categories:
        raise CannotConvert("OrdinalEncoder that refuses unknown values or gathers some")
    blocks = []
    for place, categories in enumerate(encoder.categories_):
        codes = _codes_of(graph, graph.columns(block, [place]), categories)
        numbers = np.append(np.arange(len(categories), dtype=np.float64), float(encoder.unknown_value))
        numbers[:-1][pd.isna(categories)] = encoder.encoded_missing_value
        blocks.append(graph.op("Gather", graph.constant(numbers), codes, axis=0))
    return graph.op("Concat", *blocks, axis=1)


def _codes_of(graph: Graph, words: str, categories: npt.NDArray[Any]) -> str:
    """Place of each word among the categories, the number of them where it is none."""
    known = [ABSENT if pd.isna(category) else category for category in categories]
    if not all(isinstance(category, str) for category in known):
        raise CannotConvert("categories that are no texts")
    return graph.op(
        "LabelEncoder", words, domain=ML, keys_strings=known, values_int64s=[*range(len(known))],
        default_int64=len(known),
    )  # fmt: skip


_Add = Callable[[Graph, str, Any], str]
_PARTS: Final[Mapping[tuple[type, str], _Add]] = {
    (SimpleImputer, NUMBER): _fill_numbers,
    (SimpleImputer, WORD): _fill_words,
    (StandardScaler, NUMBER): _standardize,
    (MinMaxScaler, NUMBER): _put_between,
    (OneHotEncoder, WORD): _spread,
    (OrdinalEncoder, WORD): _number,
}
