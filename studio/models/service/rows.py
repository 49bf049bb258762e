"""Finds rows of models and turns them into records."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from studio.backends.stores import Stores
from studio.datasets import service as datasets
from studio.db.inserting import unused_id
from studio.domain import model_config
from studio.domain.identifiers import is_id, new_id
from studio.domain.model_records import Model, ModelStatus, Visibility
from studio.domain.tasks import ModelType, TaskType
from studio.domain.words import words_of
from studio.errors import ModelArchived, ModelNotFound, ModelTraining
from studio.models.tables import ModelRow, ModelTagRow
from studio.organizations import service as organizations


def find_row(stores: Stores, model_id: str, *, lock: bool = False) -> ModelRow:
    """The row of one model of the organization.

    Args:
        stores: Open stores.
        model_id: Its id.
        lock: Whether the row is about to be changed: others that change it wait until this transaction ends.

    Raises:
        ModelNotFound: The organization has no such model.
    """
    if not is_id("model", model_id):
        raise ModelNotFound(model_id)
    row = stores.db.get(ModelRow, model_id, with_for_update=lock, populate_existing=lock)
    if row is None or row.organization != stores.organization:
        raise ModelNotFound(model_id)
    return row


def touch(row: ModelRow, now: datetime) -> None:
    """Note a change of a model; two changes never bear the same time, as the model's ETag rests on it."""
    row.updated_at = max(now, row.updated_at + timedelta(microseconds=1))


def refuse_archived(row: ModelRow) -> None:
    """Raise ModelArchived for an archived model."""
    if row.status == ModelStatus.ARCHIVED:
        raise ModelArchived(f"{row.name!r} is archived; unarchive it first.")


def refuse_training(row: ModelRow) -> None:
    """Raise ModelTraining for a model in training."""
    if row.status == ModelStatus.TRAINING:
        raise ModelTraining(f"{row.name!r} is training; wait for the run to end, or cancel it.")


def new_row(
    stores: Stores,
    *,
    name: str,
    description: str,
    model_type: str,
    task_type: str,
    config: Mapping[str, Any],
    source_model_id: str | None = None,
) -> ModelRow:
    """The row of a new draft of the caller's, not added yet."""
    now = stores.now()
    return ModelRow(
        id=unused_id(stores.db, ModelRow, lambda: new_id("model")),
        organization=stores.organization, name=name, description=description,
        search_text=search_text_of(name, description), model_type=model_type, task_type=task_type,
        status=str(ModelStatus.DRAFT), visibility=str(Visibility.ORG), config=dict(config), settings={}, version=1,
        metrics={}, created_at=now, updated_at=now, created_by=stores.actor.user_id or "",
        source_model_id=source_model_id,
    )  # fmt: skip


def set_tags(db: Session, row: ModelRow, tags: list[str]) -> None:
    """Replace the tags of a model; repeats collapse, order is kept."""
    row.tags.clear()
    db.flush()
    row.tags.extend(ModelTagRow(tag=tag, position=place) for place, tag in enumerate(dict.fromkeys(tags)))


def search_text_of(name: str, description: str) -> str:
    """The words a model is found by, with blanks between them."""
    return " ".join(words_of(f"{name}\n{description}"))


def record_of(stores: Stores, row: ModelRow) -> Model:
    """The model a row stands for, with its effective configuration and dataset link."""
    model_type = ModelType(row.model_type)
    overrides: dict[str, Any] = organizations.find_overrides(stores)
    config, sources = model_config.merge_layers(model_type, overrides, row.config)
    return Model(
        id=row.id,
        name=row.name,
        description=row.description,
        model_type=model_type,
        task_type=TaskType(row.task_type),
        status=ModelStatus(row.status),
        version=row.version,
        tags=tuple(tag.tag for tag in row.tags),
        config=config,
        sources=sources,
        own_config=row.config,
        dataset=datasets.find_link(stores, row.id),
        metrics=row.metrics,
        created_at=row.created_at,
        updated_at=row.updated_at,
        created_by=row.created_by,
        archived_at=row.archived_at,
        source_model_id=row.source_model_id,
        promoted_version_id=row.promoted_version_id,
    )
