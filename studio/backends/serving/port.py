"""What asks models: one call that finds or starts the host of a model version and has it predict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Answer:
    """What a model said.

    Attributes:
        predictions: One per row, in order; JSON-ready, None where the model gave a missing value.
        probabilities: One per row, class label -> probability; None when the model has none.
        predict_ms: What the prediction took in the host, in milliseconds; rows of other callers may have
            shared it.
    """

    predictions: list[Any]
    probabilities: list[dict[str, float]] | None
    predict_ms: float


class ModelHosts(Protocol):
    """Reaches model versions, each in a process of its own. Safe from any thread and after a fork."""

    def predict(
        self,
        key: str,
        loader: str,
        args: Mapping[str, Any],
        rows: Sequence[Mapping[str, Any]],
        *,
        timeout_s: float,
    ) -> Answer:
        """Have a model predict; its host is started where there is none. Safe to repeat.

        Args:
            key: Names the model version; the same key is the same model for ever.
            loader: What loads it, as ``package.module:function``; called in the host, at most once per host.
                It returns what predicts: see ``studio.backends.serving.called_model``.
            args: Keyword arguments of the loader; JSON-ready.
            rows: At least one; column -> value, JSON-ready but for dates and NumPy scalars.
            timeout_s: Longest wait for everything, in seconds.

        Raises:
            PredictionFailed: The model raised, or could not be loaded; the message says how.
            Overloaded: The host has too much to do to answer in time.
            BackendDown: There is no host and none could be started in time.
        """
        ...
