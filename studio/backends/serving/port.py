"""What asks models: calls that find or start the host of a model version and have it predict."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Answer:
    """What a model said.

    Attributes:
        predictions: One per row, in order; JSON-ready, None where the model gave a missing value.
        probabilities: One per row, class label -> probability; None when the model has none.
        predict_ms: What the prediction took in the host, in milliseconds; rows of other callers may have
            shared it.
        deployment_id: What the host was started for, as it says itself; None where it serves no deployment.
        version_id: The version it was started for; None likewise.
        prediction_ids: One per row; none where it serves no deployment.
    """

    predictions: list[Any]
    probabilities: list[dict[str, float]] | None
    predict_ms: float
    deployment_id: str | None = None
    version_id: str | None = None
    prediction_ids: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Wish:
    """A host that is to be there whether or not anybody asks, and that is asked by its key alone.

    Attributes:
        key: Names deployment, version and replica.
        loader: What loads the model, as ``package.module:function``.
        args: Keyword arguments of the loader; JSON-ready.
        about: What the host puts on every answer: ``deployment_id``, ``version_id``, and as ``source`` the word its
            predictions are logged under.
        may_sleep: Whether the model is known to load: where memory is short its host may wait for the first call.
    """

    key: str
    loader: str
    args: Mapping[str, Any]
    about: Mapping[str, str]
    may_sleep: bool = False


class HostPhase(enum.Enum):
    """How far a wished host is. One that sleeps passed its self-test, and starts again when it is asked."""

    STARTING = enum.auto()
    READY = enum.auto()
    ASLEEP = enum.auto()
    FAILED = enum.auto()


@dataclass(frozen=True)
class HostState:
    """How far a wished host is, and what is in its way; None where nothing is."""

    phase: HostPhase
    message: str | None = None

    @property
    def is_usable(self) -> bool:
        """True when it answers, at once or once it was woken."""
        return self.phase in (HostPhase.READY, HostPhase.ASLEEP)


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
        rows: Sequence[dict[str, Any]],
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
        rows: Sequence[dict[str, Any]],
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

    def ask(self, keys: Sequence[str], rows: Sequence[dict[str, Any]], *, deadline: float) -> Answer:
        """Have one of the replicas of a wished host predict: the one with the fewest requests of this process.

        Args:
            keys: Keys of the replicas, at least one.
            rows: At least one; column -> value, JSON-ready but for dates and NumPy scalars.
            deadline: When the caller stops waiting, in seconds of the machine's monotonic clock.

        Raises:
            PredictionFailed: The model raised, or could not be loaded; the message says how.
            Overloaded: The host has too much to do to answer in time.
            HostGone: The host ended after it was asked.
            HostUnknown: None of the hosts is wished for, or no longer.
            BackendDown: None of them could be started in time.
        """
        ...
