"""Reads what is registered of a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from studio.backends.mlflow.model_files import ModelColumn
from studio.backends.stores import Stores
from studio.domain.versions import ModelVersion, version_id_of
from studio.errors import FileMissing, NothingPromoted
from studio.models import service as models
from studio.versions import service as versions


@dataclass(frozen=True)
class RegisteredVersion:
    """A version and where it lies.

    Attributes:
        artifact_uri: Its pickled estimator in the file store; the MLflow model folder where it has none.
        promoted_at: Time of its latest promotion; None where it was not asked for.
    """

    version: ModelVersion
    artifact_uri: str
    promoted_at: datetime | None = None


@dataclass(frozen=True)
class Signature:
    """Columns a version takes and gives, both empty where its folder says nothing of them."""

    inputs: Sequence[ModelColumn]
    outputs: Sequence[ModelColumn]


@dataclass(frozen=True)
class RegistryListing:
    """What deployment pipelines and gateways need of a model.

    Attributes:
        signature: The promoted version's.
        versions: All versions, newest first; None where they were not asked for.
    """

    model_id: str
    model_name: str
    promoted: RegisteredVersion
    signature: Signature
    versions: Sequence[RegisteredVersion] | None


def get_listing(stores: Stores, model_id: str, *, include_all_versions: bool = False) -> RegistryListing:
    """The promoted version of a model with its signature, and all versions if wanted.

    Raises:
        ModelNotFound: There is no such model.
        NothingPromoted: No version is in production.
    """
    name = models.get_model(stores, model_id).name
    number = _find_promoted(stores, name)
    record = versions.get_version(stores, model_id, version_id_of(number))
    version = record.version
    # A promotion by an MLflow client comes into the history seconds later.
    promoted_at = record.promoted_at or version.updated_at
    return RegistryListing(
        model_id,
        name,
        RegisteredVersion(version, record.artifacts.model_file or version.source, promoted_at),
        _find_signature(stores, name, number),
        _list_registered(stores, model_id, name) if include_all_versions else None,
    )


def get_mlflow_listing(stores: Stores, model_id: str, *, include_all_versions: bool = False) -> dict[str, Any]:
    """The registered model as MLflow's own API answers it, with the model's id as a tag.

    Raises:
        ModelNotFound: There is no such model.
        NothingPromoted: No version is in production.
    """
    model = models.get_model(stores, model_id)
    _find_promoted(stores, model.name)
    content = stores.registry.describe_model(model.name)
    content["description"] = content["description"] or model.description
    content["tags"] = [{"key": "model_id", "value": model_id}, *content["tags"]]
    if include_all_versions:
        content["versions"] = stores.registry.describe_versions(model.name)
    return content


def _find_promoted(stores: Stores, name: str) -> int:
    number = stores.registry.find_promoted(name)
    if number is None:
        raise NothingPromoted(f"No version of {name!r} is in production; promote one first.")
    return number


def _find_signature(stores: Stores, name: str, number: int) -> Signature:
    try:
        schema = stores.registry.read_schema(name, number)
    except FileMissing:  # a version of an MLflow client need not have a model folder
        return Signature([], [])
    return Signature(schema.inputs or [], schema.outputs or [])


def _list_registered(stores: Stores, model_id: str, name: str) -> list[RegisteredVersion]:
    files = versions.list_model_files(stores, model_id)
    found = stores.registry.list_versions(name)
    return [RegisteredVersion(version, files.get(version.number, version.source)) for version in found]
