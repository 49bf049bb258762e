"""What a model takes and gives in the words of the protocol, and whether it can be asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from studio.backends.mlflow.model_files import ModelColumn
from studio.backends.stores import Stores
from studio.deployments import service as deployments
from studio.domain.identifiers import is_id
from studio.domain.versions import ModelVersion, version_id_of, version_number_of
from studio.errors import BadKey, FileMissing, ModelNotFound, NotDeployed, RunNotFound, VersionNotFound
from studio.evaluation.stored import FOLDER, SUMMARY, read_summary
from studio.models import service as models
from studio.versions import service as versions

PLATFORM: Final = "mlflow"
DATATYPES: Final = {"double": "FP64", "float": "FP32", "long": "INT64", "integer": "INT32", "boolean": "BOOL"}


@dataclass(frozen=True)
class Tensor:
    """A tensor as metadata tells of it; -1 is any length."""

    name: str
    datatype: str
    shape: Sequence[int]


@dataclass(frozen=True)
class Metadata:
    """What a model takes and gives; ``versions`` are the numbers of those that are served now."""

    name: str
    versions: Sequence[str]
    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]
    platform: str = PLATFORM


@dataclass(frozen=True)
class Readiness:
    """That a model can be asked."""

    name: str
    ready: bool = True


def find_model_id(stores: Stores, name: str) -> str:
    """Id of the model of that id or name.

    Raises:
        ModelNotFound: The organization has none.
    """
    if is_id("model", name):
        return name
    model_id = models.find_model_by_name(stores, name) if "\0" not in name else None
    if model_id is None:
        raise ModelNotFound(name)
    return model_id


def read_version(text: str) -> str:
    """Version id of a number or version id.

    Raises:
        VersionNotFound: It is neither.
    """
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else version_number_of(text)
    if not number:
        raise VersionNotFound(text)
    return version_id_of(number)


def get_metadata(stores: Stores, model_id: str, version_id: str | None = None) -> Metadata:
    """What a version takes and gives.

    Args:
        stores: Open stores.
        model_id: Id of the model.
        version_id: Id of the version; None for the one that answers requests, else the promoted one.

    Raises:
        ModelNotFound: There is no such model.
        VersionNotFound: It has no such version, or none of any kind.
    """
    name = models.get_model(stores, model_id).name
    served = _served_versions(stores, model_id)
    version = _find_version(stores, model_id, version_id, served)
    try:
        schema = stores.registry.read_schema(name, version.number)
    except (BadKey, FileMissing) as error:  # an MLflow client may register a version of nothing
        raise VersionNotFound(version.id) from error
    inputs = [_tensor(column) for column in schema.inputs or ()]
    outputs = [Tensor("prediction", _tensor(column).datatype, (-1,)) for column in (schema.outputs or ())[:1]]
    labels = _read_labels(stores, version)
    if labels:
        outputs.append(Tensor("probability", "FP64", (-1, len(labels))))
    numbers = [str(version_number_of(one)) for one in served]
    return Metadata(name, numbers, inputs, outputs)


def get_readiness(stores: Stores, model_id: str, version_id: str | None = None) -> Readiness:
    """That a model, or one version of it, can be asked.

    Raises:
        ModelNotFound: There is no such model.
        VersionNotFound: It has no such version.
        NotDeployed: No active deployment serves it.
    """
    name = models.get_model(stores, model_id).name
    if version_id is not None:
        versions.find_version(stores, model_id, version_id)
    route = deployments.choose_route(stores, model_id, version_id=version_id)
    if not route.is_serving:
        raise NotDeployed("Its deployment is still starting.")
    return Readiness(name)


def _served_versions(stores: Stores, model_id: str) -> list[str]:
    routes = stores.routes.of_model(model_id)
    return sorted({route.version_id for route in routes if route.is_serving and route.strategy != "shadow"})


def _find_version(stores: Stores, model_id: str, version_id: str | None, served: Sequence[str]) -> ModelVersion:
    if version_id is not None:
        return versions.find_version(stores, model_id, version_id)
    try:
        return versions.find_version(stores, model_id, deployments.choose_route(stores, model_id).version_id)
    except NotDeployed:
        promoted = versions.find_promoted(stores, model_id)
    if promoted is None:
        raise VersionNotFound("that is served or promoted")
    return promoted


def _tensor(column: ModelColumn) -> Tensor:
    return Tensor(column.name, DATATYPES.get(column.type, "BYTES"), (-1,))


def _read_labels(stores: Stores, version: ModelVersion) -> Sequence[Any]:
    """Classes of a version that was trained here; none where nobody knows."""
    if version.mlflow_run_id is None:
        return ()
    try:
        content = stores.runs.read_artifact(version.mlflow_run_id, f"{FOLDER}/{SUMMARY}")
    except (FileMissing, RunNotFound):
        return ()
    return read_summary(content).labels or ()
