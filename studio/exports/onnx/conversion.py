"""A pipeline of the search as an ONNX model."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from joblib import hash as hash_of
from onnx import ModelProto, TensorProto, helper
from sklearn.pipeline import Pipeline

from studio.automl.calibration import LEAST_PROBABILITY, Calibration
from studio.automl.columns import ColumnReader
from studio.automl.pipeline import BlendClassifier, BlendClusterer, BlendRegressor, Member
from studio.automl.preprocessing import Encoder, NoColumns
from studio.automl.targets import LogTarget
from studio.exports.onnx.encoding import add_matrix, slots_of
from studio.exports.onnx.estimators import add_estimator
from studio.exports.onnx.graph import DOUBLE, CannotConvert, Graph, require_known
from studio.exports.onnx.inputs import KINDS, Inputs, add_inputs

PREDICTION, PROBABILITIES = "prediction", "probabilities"
_KINDS: Final = {"i": TensorProto.INT64, "u": TensorProto.INT64, "f": DOUBLE, "b": TensorProto.BOOL}  # else texts
_MEMBER: Final = ("encoder", "estimator", "present", "n_classes", "target")


def convert(pipeline: Any) -> ModelProto:
    """An ONNX model that answers what a pipeline answers.

    It takes one input of shape (rows, 1) per column and gives ``prediction`` of shape (rows,): a class, a number, or
    the number of a cluster. For a classification it also gives ``probabilities`` of shape (rows, n_classes). Its
    metadata say in JSON of which kind each input is (``inputs``), how each kind is written (``kinds``), and which class
    each probability is of (``classes``).

    Args:
        pipeline: Fitted, as ``search`` gives it.

    Raises:
        CannotConvert: A part of it has no ONNX form here; says which.
    """
    if not is_ours(pipeline):
        raise CannotConvert(type(pipeline).__name__)
    reader, model = pipeline.named_steps["columns"], pipeline.named_steps["model"]
    if type(reader) is not ColumnReader:
        raise CannotConvert(type(reader).__name__)
    graph = Graph(list(reader.column_types))
    inputs = add_inputs(graph, reader)
    kinds = {name: kind for name, kind in reader.column_types.items() if kind != "text"}
    facts: dict[str, Any] = {"inputs": kinds, "kinds": KINDS}
    if type(model) is BlendClassifier:
        require_known(model, BlendClassifier, ("members", "weights", "classes", "classes_", "calibration"))
        blend = _add_blend(graph, inputs, model.members, model.weights)
        facts["classes"] = add_classes(graph, blend, model.classes_, model.calibration)
    else:
        is_clusterer = type(model) is BlendClusterer
        require_known(model, BlendClusterer if is_clusterer else BlendRegressor, ("members", "weights"))
        add_numbers(graph, _add_blend(graph, inputs, model.members, model.weights), are_whole=is_clusterer)
    made = graph.model()
    note(made, {name: json.dumps(fact, ensure_ascii=False) for name, fact in facts.items()})
    return made


def is_ours(pipeline: Any) -> bool:
    """Whether it is a pipeline as the search gives it."""
    return type(pipeline) is Pipeline and [name for name, _ in pipeline.steps] == ["columns", "model"]


def note(model: ModelProto, facts: Mapping[str, str]) -> None:
    """Write facts into a model's metadata, beside those that are there."""
    helper.set_model_props(model, {**{entry.key: entry.value for entry in model.metadata_props}, **facts})


def _add_blend(graph: Graph, inputs: Inputs, members: Sequence[Member], weights: Sequence[float]) -> str:
    """The weighted mean of the members' outputs; members whose encoders are equal share a matrix."""
    total = ""
    matrices: dict[str, str] = {}
    for member, weight in zip(members, weights, strict=True):
        require_known(member, Member, _MEMBER)
        encoder = member.encoder
        if isinstance(encoder, NoColumns):
            raise CannotConvert(NoColumns.__name__)
        key = hash_of(encoder)
        if key not in matrices:
            matrices[key] = add_matrix(graph, inputs, encoder)
        outputs = _add_member(graph, matrices[key], member, encoder)
        weighted = graph.op("Mul", outputs, graph.constant(float(weight)))
        total = graph.op("Add", total, weighted) if total else weighted
    return total


def _add_member(graph: Graph, matrix: str, member: Member, encoder: Encoder) -> str:
    """Its outputs, where it was fitted without some of the classes with 0 for those."""
    if member.n_classes and len(member.present) == 1:
        certain = np.zeros((1, member.n_classes))
        certain[0, member.present] = 1.0
        return graph.op("Add", graph.zeros(matrix), graph.constant(certain))
    outputs = add_estimator(graph, matrix, member.estimator, slots_of(encoder))
    if member.target is not None:
        outputs = _turn_back(graph, outputs, member.target)
    if not member.n_classes or len(member.present) == member.n_classes:
        return outputs
    places = np.full(member.n_classes, len(member.present), dtype=np.int64)  # the column of zeros
    places[member.present] = np.arange(len(member.present))
    return graph.columns(graph.op("Concat", outputs, graph.zeros(matrix), axis=1), places)


def add_numbers(graph: Graph, total: str, *, are_whole: bool) -> None:
    """The output of a regression or a clustering."""
    numbers = graph.op("Reshape", total, graph.constant([-1], np.int64))
    if are_whole:
        numbers = graph.op("Cast", graph.op("Round", numbers), to=TensorProto.INT64)
    graph.output(PREDICTION, numbers, TensorProto.INT64 if are_whole else DOUBLE)


def _turn_back(graph: Graph, logs: str, target: LogTarget) -> str:
    """Numbers of a target that was learned as logarithms."""
    require_known(target, LogTarget, ("unit", "top", "factor"))
    within = graph.op("Clip", logs, graph.constant(0.0), graph.constant(target.top))
    ratios = graph.op("Sub", graph.op("Exp", within), graph.constant(1.0))
    return graph.op("Mul", ratios, graph.constant(target.factor * target.unit))


def add_classes(graph: Graph, total: str, classes: npt.NDArray[Any], calibration: Calibration) -> list[Any]:
    """The outputs of a classification: the class decided on and all probabilities; gives the classes, JSON-ready."""
    require_known(calibration, Calibration, ("temperature", "scales"))
    if calibration.temperature != 1.0:
        possible = graph.op("Clip", total, graph.constant(LEAST_PROBABILITY))
        total = graph.op("Pow", possible, graph.constant(1.0 / calibration.temperature))
    whole = graph.op("ReduceSum", total, graph.constant([1], np.int64))
    shares = graph.op("Div", total, whole)
    weighed = shares if calibration.scales is None else graph.op("Mul", shares, graph.constant(calibration.scales))
    best = graph.op("ArgMax", weighed, axis=1, keepdims=0)
    kind = _KINDS.get(classes.dtype.kind, TensorProto.STRING)
    shown = [str(label) for label in classes] if kind == TensorProto.STRING else classes.tolist()
    numbers = helper.tensor_dtype_to_np_dtype(kind)
    labels = graph.texts(shown) if kind == TensorProto.STRING else graph.constant(classes, numbers)
    graph.output(PREDICTION, graph.op("Gather", labels, best), kind)
    graph.output(PROBABILITIES, shares, DOUBLE, len(classes))
    return shown
