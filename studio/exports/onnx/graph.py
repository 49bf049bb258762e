"""An ONNX graph while it is put together."""

from collections.abc import Collection
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from onnx import AttributeProto, ModelProto, TensorProto, helper, numpy_helper

OPSET: Final = 20
ML_OPSET: Final = 5  # the first with TreeEnsemble; onnxruntime knows it since 1.20
IR_VERSION: Final = 10
ML: Final = "ai.onnx.ml"
DOUBLE: Final = TensorProto.DOUBLE
PRODUCER: Final = "model-studio"

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


class CannotConvert(Exception):
    """Something has no ONNX form here; the message names it, as the rest of "cannot be converted: ..."."""


def require_known(thing: Any, kind: type, attributes: Collection[str]) -> None:
    """Refuse what is not exactly of a class, or holds more than this code knows to convert.

    Raises:
        CannotConvert: It is; says what it is.
    """
    if type(thing) is not kind:
        raise CannotConvert(type(thing).__name__)
    unknown = sorted(vars(thing).keys() - set(attributes))
    if unknown:
        raise CannotConvert(f"{kind.__name__.strip('_')} with {', '.join(unknown)}")


class Graph:
    """Nodes, constants, inputs and outputs, each value known by its name; see studio.automl.onnx_graph.OnnxGraph.

    Args:
        taken: Names of the inputs to come, which no other value may have.
    """

    def __init__(self, taken: Collection[str]) -> None:
        self._taken = set(taken)
        self._prefix = "_"
        while any(name.startswith(self._prefix) for name in taken):
            self._prefix += "_"
        self._count = 0
        # Filled in place, as trees may weigh hundreds of megabytes and would be copied with every message around them.
        self._model = ModelProto(ir_version=IR_VERSION, producer_name=PRODUCER)
        self._model.opset_import.extend([helper.make_opsetid("", OPSET), helper.make_opsetid(ML, ML_OPSET)])
        self._graph = self._model.graph
        self._graph.name = "model"

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output; gives the output's name.

        Args:
            kind: The operator.
            inputs: Names of values, empty for an optional one left out.
            domain: Empty for ONNX's own operators, ``ai.onnx.ml`` for those of machine learning.
            attributes: Arrays of whole numbers become lists; tensors, lists, texts and numbers stay.
        """
        name = self._name(kind)
        node = self._graph.node.add(op_type=kind, input=inputs, output=[name], domain=domain, name=name)
        for key, value in attributes.items():
            if isinstance(value, np.ndarray):  # not by helper, which looks at each of millions of numbers
                attribute = node.attribute.add(name=key, type=AttributeProto.INTS)
                attribute.ints.extend(value.tolist())
            else:
                node.attribute.append(helper.make_attribute(key, value))
        return name

    def constant(self, values: Any, dtype: Any = np.float64) -> str:
        """Add a constant, of double precision unless told otherwise; gives its name."""
        name = self._name("constant")
        self._graph.initializer.append(numpy_helper.from_array(np.asarray(values, dtype=dtype), name))
        return name

    def texts(self, values: Collection[str]) -> str:
        """Add a constant list of texts; gives its name."""
        name = self._name("texts")
        encoded = [value.encode() for value in values]
        self._graph.initializer.append(helper.make_tensor(name, TensorProto.STRING, [len(encoded)], encoded))
        return name

    def input(self, name: str, kind: int) -> str:
        """Declare a column that the model takes, of shape (rows, 1); gives its name."""
        self._graph.input.append(helper.make_tensor_value_info(name, kind, ["rows", 1]))
        return name

    def output(self, name: str, value: str, kind: int, *more: int | str) -> None:
        """Declare a value as an output of shape (rows, *more); a name that an input has gets ``_`` behind it."""
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        self._graph.node.add(op_type="Identity", input=[value], output=[name], name=name)
        self._graph.output.append(helper.make_tensor_value_info(name, kind, ["rows", *more]))

    def zeros(self, value: str) -> str:
        """A column of zeros, as long as a value has rows."""
        rows = self.op("Gather", self.op("Shape", value), self.constant([0], np.int64))
        shape = self.op("Concat", rows, self.constant([1], np.int64), axis=0)
        return self.op("ConstantOfShape", shape, value=numpy_helper.from_array(np.zeros(1)))

    def columns(self, matrix: str, places: Any) -> str:
        """Some columns of a matrix, in the order given."""
        return self.op("Gather", matrix, self.constant(places, np.int64), axis=1)

    def model(self) -> ModelProto:
        """The whole, which this graph goes on to be a part of."""
        return self._model

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{self._prefix}{kind}{self._count}"
