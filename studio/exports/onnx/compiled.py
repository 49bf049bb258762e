"""A graph of ours as something that predicts rows, in a tenth to a hundredth of the time its pipeline takes."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from studio.exports.onnx.conversion import PREDICTION, PROBABILITIES
from studio.exports.onnx.row_feeds import RowFeeds, Rows
from studio.tabular.written import Readable

FloatArray = npt.NDArray[np.float64]


class CompiledModel:
    """Predicts rows with onnxruntime, on one thread.

    Attributes:
        kinds: Kind of each input column.
        classes_: Classes in the order of the probabilities; None where it gives none.
        example_rows: Rows it is known to take; none where none came with it.
    """

    def __init__(self, graph: bytes, stored_as: Mapping[str, str], written: Mapping[str, Readable]) -> None:
        """
        Args:
            graph: What ``convert`` made, serialized.
            stored_as: As RowFeeds takes it.
            written: As RowFeeds takes it.

        Raises:
            CannotConvert: A column cannot be read cell by cell.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        facts = self._session.get_modelmeta().custom_metadata_map
        self.kinds: dict[str, str] = json.loads(facts["inputs"])
        self._feeds = RowFeeds(self.kinds, stored_as, written)
        self.classes_: list[Any] | None = json.loads(facts["classes"]) if "classes" in facts else None
        names = [output.name for output in self._session.get_outputs()]
        wanted = [PREDICTION] if self.classes_ is None else [PREDICTION, PROBABILITIES]
        self._outputs = names[: len(wanted)]
        self.example_rows: Rows = []

    def predict_rows(self, rows: Rows) -> tuple[list[Any], FloatArray | None]:
        """Predictions, one per row, and of a classification the probabilities of shape (n_rows, n_classes).

        Args:
            rows: Column -> JSON value, one row at least.
        """
        predictions, *shares = self._session.run(self._outputs, self._feeds.read(rows))
        return np.asarray(predictions).tolist(), shares[0] if shares else None
