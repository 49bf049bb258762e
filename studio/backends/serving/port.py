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


@dataclass(frozen=True)
class ExplainedRow:
    """Why a model said what it said of one row.

    Attributes:
        prediction: What it predicts; JSON-ready.
        class_label: The class or cluster that is explained; None where there are none.
        base_value: The output for the rows it was compared with, on average.
        values: What each column adds to that; base and values add up to the model's output for the row.
    """

    prediction: Any
    class_label: str | None
    base_value: float
    values: dict[str, float]


@dataclass(frozen=True)
class Explanations:
    """SHAP values of some rows.

    Attributes:
        explainer: How they were found: ``tree``, ``linear`` and ``linear+tree`` are exact, ``permutation`` is sampled.
        output: What base and values add up to: ``prediction``, ``probability``, ``log_odds``, or ``membership`` (1 in
            the cluster, 0 elsewhere).
        rows: One per row, in order.
    """

    explainer: str
    output: str
    rows: list[ExplainedRow]


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

    def explain(
        self,
        key: str,
        loader: str,
        args: Mapping[str, Any],
        rows: Sequence[Mapping[str, Any]],
        *,
        background: bytes,
        class_label: str | None,
        timeout_s: float,
    ) -> Explanations:
        """Have a model predict and say what each column adds to the prediction; like ``predict`` otherwise.

        Args:
            background: Rows the model was made with, as a JSON list of records; sampled values and linear models
                compare with them. A host keeps those it is given first.
            class_label: The class to explain; None for the one that is predicted.

        Raises:
            NotApplicable: The model cannot be explained; the message says why.
            UnknownClass: It has no such class.
        """
        ...
