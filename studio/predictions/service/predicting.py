"""Has rows predicted by a model's active deployments."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from studio.backends.serving.routes import Route
from studio.backends.stores import Stores
from studio.deployments import service as deployments
from studio.domain.versions import version_number_of
from studio.errors import BackendDown, BadKey, FileMissing, VersionNotFound
from studio.models import service as models
from studio.predictions.service.input_schema import Given, InputSchema, Row

MOST_SCHEMAS: Final = 1000
Read = Callable[[InputSchema], Given]

_schemas: dict[tuple[str, str], InputSchema] = {}  # by model and version, whose files never change


@dataclass(frozen=True)
class Predicted:
    """What a deployment made of some rows.

    Attributes:
        predictions: One per row, in order.
        probabilities: One map per row from class label to share; None where the model has none.
        stage_s: Seconds by stage: ``queue``, ``parse``, ``validate`` and ``predict``.
    """

    model_id: str
    version_id: str
    deployment_id: str
    predictions: Sequence[Any]
    probabilities: Sequence[Mapping[str, float]] | None
    prediction_ids: Sequence[str]
    stage_s: Mapping[str, float]


def predict_rows(
    stores: Stores, model_id: str, read: Read, *, deployment_id: str | None = None, version_id: str | None = None
) -> Predicted:
    """Predict every row of a request, or none where one does not fit.

    Args:
        stores: Open stores; nothing is read through them while all that is needed was read a moment ago.
        model_id: Id of a model that the caller may read.
        read: Gives the rows of the request, by what the version takes that is asked.
        deployment_id: Ask this deployment, whatever its share of the traffic.
        version_id: Ask one that serves this version.

    Raises:
        NotDeployed: No active deployment answers such requests.
        DeploymentNotFound: The model has no deployment of that id.
        InvalidInputs: A row does not fit the version; names each fault.
        InvalidInput: The request is of no form there is.
        TooLarge: It has more rows than one call may have.
        PredictionFailed: The model raised.
        Overloaded: It has too much to do to answer in time.
        BackendDown: Its hosts are not there.
    """
    stage_s = {"queue": 0.0, "parse": 0.0, "validate": 0.0, "predict": 0.0}
    asked_at = 0.0

    def rows_for(route: Route) -> list[Row]:
        nonlocal asked_at
        schema = find_schema(stores, model_id, route.version_id)
        begun = time.perf_counter()
        given = read(schema)
        parsed = time.perf_counter()
        rows = schema.check(given)
        asked_at = time.perf_counter()
        stage_s["parse"], stage_s["validate"] = parsed - begun, asked_at - parsed
        return rows

    answer = deployments.predict(stores, model_id, rows_for, deployment_id=deployment_id, version_id=version_id)
    stage_s["predict"] = answer.predict_ms / 1000
    stage_s["queue"] = max(0.0, time.perf_counter() - asked_at - stage_s["predict"])
    assert answer.deployment_id is not None
    assert answer.version_id is not None
    return Predicted(
        model_id, answer.version_id, answer.deployment_id,
        answer.predictions, answer.probabilities, answer.prediction_ids, stage_s,
    )  # fmt: skip


def find_schema(stores: Stores, model_id: str, version_id: str) -> InputSchema:
    """The columns of a version that is served; read once per process.

    Raises:
        BackendDown: Its model folder cannot be read.
    """
    key = model_id, version_id
    found = _schemas.get(key)
    if found is None:
        if len(_schemas) >= MOST_SCHEMAS:
            _schemas.clear()
        found = _schemas[key] = InputSchema(_read_columns(stores, model_id, version_id))
    return found


def _read_columns(stores: Stores, model_id: str, version_id: str) -> Any:
    number = version_number_of(version_id)
    assert number is not None
    try:
        return stores.registry.read_schema(models.get_model(stores, model_id).name, number).inputs
    except (BadKey, FileMissing, VersionNotFound) as error:  # deleted past this service while its host goes on
        raise BackendDown(f"The files of version {version_id} are gone; deploy another.") from error
