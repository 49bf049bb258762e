"""What MLflow's registry holds, as plain values."""

from dataclasses import dataclass
from datetime import UTC, datetime

from mlflow.entities.model_registry import ModelVersion as MlflowVersion
from mlflow.entities.model_registry import RegisteredModel

from studio.backends.mlflow.version_tags import MODEL_ID, RUN_ID, STATUS, fields_of, user_tags
from studio.domain.versions import ModelVersion, OnnxCheck, VersionStatus

_STATUS_OF_MLFLOW = {
    "READY": VersionStatus.READY,
    "PENDING_REGISTRATION": VersionStatus.IN_PROGRESS,
    "FAILED_REGISTRATION": VersionStatus.FAILED,
}


@dataclass(frozen=True)
class RegistryEntry:
    """One registered model.

    Attributes:
        model_id: Id of the model it belongs to; None for one an MLflow client made.
        promoted: Number of the promoted version, None where none is.
        newest: Highest number among the newest versions of each stage, None without versions.
        updated_at: Last change of the entry or of one of its versions; aliases and tags do not count.
    """

    name: str
    model_id: str | None
    promoted: int | None
    newest: int | None
    created_at: datetime
    updated_at: datetime
    description: str
    tags: dict[str, str]
    aliases: dict[str, int]


def entry_of(model: RegisteredModel, promoted_alias: str) -> RegistryEntry:
    """One registered model of MLflow as ours."""
    aliases = {alias: int(number) for alias, number in model.aliases.items()}
    return RegistryEntry(
        name=model.name,
        model_id=model.tags.get(MODEL_ID),
        promoted=aliases.get(promoted_alias),
        newest=max((int(version.version) for version in model.latest_versions), default=None),
        created_at=_time(model.creation_timestamp),
        updated_at=_time(model.last_updated_timestamp or model.creation_timestamp),
        description=model.description or "",
        tags=user_tags(model.tags),
        aliases=aliases,
    )


def version_of(found: MlflowVersion, *, is_promoted: bool) -> ModelVersion:
    """One version of MLflow as ours; without our tags it is a client's, and external."""
    status, fields = found.tags.get(STATUS), fields_of(found.tags)
    if fields.get("onnx") is not None:
        fields["onnx"] = OnnxCheck(**fields["onnx"])
    return ModelVersion(
        number=int(found.version),
        status=VersionStatus(status) if status else _STATUS_OF_MLFLOW[found.status],
        is_promoted=is_promoted,
        source=found.source,
        created_at=_time(found.creation_timestamp),
        updated_at=_time(found.last_updated_timestamp or found.creation_timestamp),
        run_id=found.tags.get(RUN_ID),
        mlflow_run_id=found.run_id or None,
        description=found.description or "",
        tags=user_tags(found.tags),
        **fields,
    )


def _time(timestamp_ms: int) -> datetime:
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC)
