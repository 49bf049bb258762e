"""Tries a version on one row."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from studio.backends.mlflow.loading import LOADER
from studio.backends.stores import Stores
from studio.domain.model_records import ModelStatus
from studio.domain.versions import ModelVersion, VersionStatus
from studio.errors import BadKey, FileMissing, ModelNotReady, NoPromotedVersion, VersionNotReady
from studio.models import service as models
from studio.predictions.service.inputs import check_inputs
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


def try_model(stores: Stores, model_id: str, *, inputs: Mapping[str, Any], version_id: str | None = None) -> Prediction:
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
        version, address = _find_model(reading, model_id, version_id, inputs)
    given = {"address": address, "digest": version.digest}
    timeout_s = stores.config.predict_timeout_s
    answer = stores.hosts.predict(address, LOADER, given, [inputs], timeout_s=timeout_s)
    return Prediction(
        model_id=model_id,
        version_id=version.id,
        inputs=inputs,
        prediction=answer.predictions[0],
        probabilities=None if answer.probabilities is None else answer.probabilities[0],
        latency_ms=round(answer.predict_ms, 3),
        predicted_at=stores.now(),
    )


def _find_model(
    stores: Stores, model_id: str, version_id: str | None, inputs: Mapping[str, Any]
) -> tuple[ModelVersion, str]:
    """The version to ask and where its model lies, once the inputs were found to fit it."""
    name = models.get_model(stores, model_id).name
    version = _choose_version(stores, model_id, version_id)
    if version.status is not VersionStatus.READY:
        raise VersionNotReady(version.id, version.status)
    try:
        columns = stores.registry.read_schema(name, version.number).inputs
        address = stores.registry.storage_address(name, version.number)
    except (BadKey, FileMissing) as error:  # an MLflow client may register a version of nothing
        raise VersionNotReady(version.id, "without its model folder") from error
    if columns is not None:
        check_inputs(inputs, columns, at="/inputs")
    return version, address


def _choose_version(stores: Stores, model_id: str, version_id: str | None) -> ModelVersion:
    if version_id is not None:
        return versions.find_version(stores, model_id, version_id)
    promoted = versions.find_promoted(stores, model_id)
    if promoted is not None:
        return promoted
    status = models.get_model(stores, model_id).status
    is_unborn = status in (ModelStatus.DRAFT, ModelStatus.TRAINING)
    if is_unborn and not versions.has_version(stores, model_id):
        raise ModelNotReady("The model has no version yet; train it first.", status=status)
    raise NoPromotedVersion("No version is promoted; promote one, or name one with version_id.")
