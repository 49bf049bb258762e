"""Creates, finds, changes and deletes models."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from studio.backends.stores import Stores
from studio.collaborators import service as collaborators
from studio.datasets import service as datasets
from studio.domain import model_config
from studio.domain.model_records import Model, ModelStatus
from studio.domain.permissions import Role
from studio.domain.tasks import ModelType, TaskType
from studio.errors import ImmutableField, ModelTraining, NameTaken
from studio.models.service.checks import check_schema
from studio.models.service.configs import check_own_config
from studio.models.service.forced_deletion import end_work
from studio.models.service.removal import refuse_removal
from studio.models.service.rows import (
    find_row,
    new_row,
    record_of,
    refuse_archived,
    refuse_training,
    search_text_of,
    set_tags,
    touch,
)
from studio.models.tables import ModelRow, PurgeRow


def create_model(
    stores: Stores,
    *,
    name: str,
    model_type: ModelType,
    task_type: TaskType,
    description: str = "",
    tags: Sequence[str] = (),
    config: Mapping[str, Any] | None = None,
    dataset_id: str | None = None,
) -> Model:
    """Create a model, owned by the caller, with its registered model and experiment in MLflow.

    Raises:
        NameTaken: The organization has a model of that name.
        DatasetNotFound: The organization has no such dataset.
        SchemaMismatch: The dataset lacks a configured column.
        InvalidInput: The configuration makes no sense, as check_config tells.
    """
    model = draft_model(
        stores, name=name, model_type=model_type, task_type=task_type, description=description, tags=tags,
        config=config, dataset_id=dataset_id,
    )  # fmt: skip
    register_model(stores, model)
    return model


def draft_model(
    stores: Stores,
    *,
    name: str,
    model_type: ModelType,
    task_type: TaskType,
    description: str = "",
    tags: Sequence[str] = (),
    config: Mapping[str, Any] | None = None,
    dataset_id: str | None = None,
) -> Model:
    """Create a model but for what it has in MLflow, which ``register_model`` makes when all else is written.

    Raises as create_model.
    """
    row = new_row(
        stores, name=name, description=description, model_type=str(model_type), task_type=str(task_type),
        config=config or {},
    )  # fmt: skip
    check_own_config(stores, row, row.config, at="/config")
    add_row(stores, row)
    set_tags(stores.db, row, list(tags))
    collaborators.grant_role(stores, row.id, row.created_by, Role.OWNER)
    if dataset_id is not None:
        link = datasets.link_dataset(stores, row.id, dataset_id)
        check_schema(record_of(stores, row).config, link, at="/config")
    stores.record_change(row.id, name=name, model_type=model_type, task_type=task_type, dataset_id=dataset_id)
    return record_of(stores, row)


def register_model(stores: Stores, model: Model) -> None:
    """Make the registered model and the experiment of a new model; the last thing to be done with it."""
    stores.registry.create_model(model.name, model_id=model.id)


def get_model(stores: Stores, model_id: str) -> Model:
    """One model of the organization.

    Raises:
        ModelNotFound: There is none.
    """
    return record_of(stores, find_row(stores, model_id))


def find_model_by_name(stores: Stores, name: str) -> str | None:
    """Id of the organization's model of a name."""
    query = select(ModelRow.id).where(ModelRow.organization == stores.organization, ModelRow.name == name)
    return stores.db.scalar(query)


def update_model(stores: Stores, model_id: str, changes: Mapping[str, Any]) -> Model:
    """Change name, description, tags or configuration; what is not named stays.

    Args:
        stores: Open stores.
        model_id: Id of the model.
        changes: Any of ``name``, ``description``, ``tags`` (the whole list), ``config`` (a shallow merge into the
            model's own values, None removing one).

    Raises:
        ImmutableField: ``model_type`` or ``task_type`` is among them.
        ModelTraining: The model is training.
        ModelArchived: ``config`` is to change and the model is archived.
        NameTaken: Another model has the name.
        InvalidInput: The configuration makes no sense, as check_config tells.
    """
    fixed = [name for name in ("model_type", "task_type") if name in changes]
    if fixed:
        raise ImmutableField(f"{fixed[0]} cannot change.", fields=[(f"/{name}", "cannot change") for name in fixed])
    row = find_row(stores, model_id, lock=True)
    refuse_training(row)
    fresh = dict(changes)
    if "config" in fresh:
        refuse_archived(row)
        fresh["config"] = model_config.overlay(row.config, fresh["config"])
        check_own_config(stores, row, fresh["config"], at="/config")
    old = {
        "name": row.name,
        "description": row.description,
        "config": row.config,
        "tags": [t.tag for t in row.tags],
    }
    changed = [name for name, value in fresh.items() if old[name] != value]
    if not changed:
        return record_of(stores, row)
    _apply(stores, row, {name: fresh[name] for name in changed})
    stores.record_change(model_id, changes={name: {"previous": old[name], "new": fresh[name]} for name in changed})
    model = record_of(stores, row)
    if "name" in changed:
        stores.registry.rename_model(str(old["name"]), row.name, model_id=model_id)
    return model


def delete_model(stores: Stores, model_id: str, *, force: bool = False) -> None:
    """Delete a model with everything that hangs on it; its name is free at once, its bytes go in the worker.

    Args:
        stores: Open stores.
        model_id: Id of the model.
        force: Delete it while it trains, too: its unfinished runs are cancelled first.

    Raises:
        ModelTraining: It is training, and force is not given.
        Conflict: Something else forbids it, such as an active deployment.
    """
    if force:
        find_row(stores, model_id)
        refuse_removal(stores, model_id)
        end_work(stores, model_id)  # ahead of the model's lock: whoever ends a run locks the run first
    row = find_row(stores, model_id, lock=True)
    refuse_removal(stores, model_id)
    if row.status == ModelStatus.TRAINING:
        if not force:
            raise ModelTraining(f"{row.name!r} is training; cancel the run first, or delete with force=true.")
        end_work(stores, model_id)  # a run that was started between the two
    datasets.unlink_dataset(stores, model_id)
    collaborators.forget_model(stores, model_id)
    stores.record_change(model_id, name=row.name, model_type=row.model_type, task_type=row.task_type)
    stores.db.delete(row)
    purge = PurgeRow(model_id=model_id, organization=stores.organization, created_at=stores.now())
    stores.db.add(purge)
    stores.db.flush()
    purge.experiment_id = stores.registry.delete_model(row.name)


def add_row(stores: Stores, row: ModelRow) -> None:
    """Add a new model's row. Raises NameTaken."""
    if find_model_by_name(stores, row.name) is not None:
        raise NameTaken(row.name)
    stores.db.add(row)
    _flush_name(stores, row.name)


def _apply(stores: Stores, row: ModelRow, fresh: Mapping[str, Any]) -> None:
    if "tags" in fresh:
        set_tags(stores.db, row, fresh["tags"])
    for name in ("name", "description", "config"):
        if name in fresh:
            setattr(row, name, fresh[name])
    row.search_text = search_text_of(row.name, row.description)
    touch(row, stores.now())
    if "name" in fresh:
        _flush_name(stores, row.name)


def _flush_name(stores: Stores, name: str) -> None:
    try:
        stores.db.flush()
    except IntegrityError as error:
        raise NameTaken(name) from error
