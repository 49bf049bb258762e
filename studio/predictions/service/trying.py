"""Tries a version on one row."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from studio.backends.mlflow.loading import LOADER
from studio.backends.stores import Stores
from studio.domain.json_pointers import escape
from studio.domain.model_records import ModelStatus
from studio.errors import ModelNotReady, NoPromotedVersion, StudioError
from studio.models import service as models
from studio.predictions.service.asking import find_asked
from studio.predictions.service.input_schema import GivenRows, InputSchema
from studio.versions import service as versions


@dataclass(frozen=True)
class Prediction:
    """What a version made of one row.

    Attributes:
        inputs: The row as it was given.
        prediction: In the target's own type, JSON-ready.
        probabilities: Share by class label; None where the model has none.
        latency_ms: Milliseconds the model took, without the start of its host.
    """

    model_id: str
    version_id: str
    inputs: Mapping[str, Any]
    prediction: Any
    probabilities: Mapping[str, float] | None
    latency_ms: float
    predicted_at: datetime


def try_model(stores: Stores, model_id: str, *, inputs: dict[str, Any], version_id: str | None = None) -> Prediction:
    """Predict one row; leaves no trace in monitoring and audit, and is safe to repeat.

    Args:
        stores: Open stores; reading ones suffice.
        model_id: Id of the model.
        inputs: Feature name -> JSON value, None for a missing one.
        version_id: Id of the version, None for the promoted one.

    Raises:
        ModelNotFound: There is no such model.
        VersionNotFound: It has no such version.
        ModelNotReady: It is a draft or training, and has no version yet.
        NoPromotedVersion: No version is asked for and none is promoted.
        VersionNotReady: The version is not ready, or its model folder is gone.
        InvalidInputs: The row does not fit the version's columns; names each fault.
        PredictionFailed: The model raised, or cannot be loaded.
        Overloaded: It did not answer in time.
        BackendDown: No model host could be started.
    """
    with stores.open_apart(write=False) as reading:  # a model may take its time: no transaction waits for it
        asked = find_asked(reading, model_id, version_id)
        if asked is None:
            raise _say_why_none(reading, model_id)
        InputSchema(asked.columns).check(GivenRows([inputs], lambda row, name: f"/inputs/{escape(name)}"))
    timeout_s = stores.config.predict_timeout_s
    answer = stores.hosts.predict(asked.address, LOADER, asked.loading, [inputs], timeout_s=timeout_s)
    return Prediction(
        model_id=model_id,
        version_id=asked.version.id,
        inputs=inputs,
        prediction=answer.predictions[0],
        probabilities=None if answer.probabilities is None else answer.probabilities[0],
        latency_ms=round(answer.predict_ms, 3),
        predicted_at=stores.now(),
    )


def _say_why_none(stores: Stores, model_id: str) -> StudioError:
    status = models.get_model(stores, model_id).status
    is_unborn = status in (ModelStatus.DRAFT, ModelStatus.TRAINING)
    if is_unborn and not versions.has_version(stores, model_id):
        return ModelNotReady("The model has no version yet; train it first.", status=status)
    return NoPromotedVersion("No version is promoted; promote one, or name one with version_id.")
