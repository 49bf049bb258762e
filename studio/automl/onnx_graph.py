"""What a family writes its estimators to, where it can write them as ONNX."""

from typing import Any, Protocol


class OnnxGraph(Protocol):
    """An ONNX graph of the operator sets ai.onnx 20 and ai.onnx.ml 5; each value in it is known by its name."""

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output; gives the output's name.

        Args:
            kind: The operator.
            inputs: Names of values, empty for an optional one left out.
            domain: Empty for ONNX's own operators, ``ai.onnx.ml`` for those of machine learning.
            attributes: Arrays of whole numbers become lists; tensors, lists, texts and numbers stay.
        """

    def constant(self, values: Any, dtype: Any = ...) -> str:
        """Add a constant, of double precision unless told otherwise; gives its name."""
