"""Replaces a model's own configuration."""

from collections.abc import Mapping
from typing import Any

from studio.backends.stores import Stores
from studio.datasets import service as datasets
from studio.domain import model_config
from studio.domain.model_records import Model
from studio.domain.tasks import ModelType, TaskType
from studio.errors import InvalidInput
from studio.models.service.checks import check_config
from studio.models.service.rows import find_row, record_of, refuse_archived, refuse_training, touch
from studio.models.tables import ModelRow
from studio.organizations import service as organizations


def replace_config(stores: Stores, model_id: str, own: Mapping[str, Any]) -> Model:
    """Replace a model's own configuration as a whole; what is left out falls back to the layers below.

    Args:
        stores: Open stores.
        model_id: Id of the model.
        own: Any subset of the configuration's keys.

    Returns:
        The model with its new effective configuration.

    Raises:
        ModelTraining: It is training.
        ModelArchived: It is archived.
        InvalidInput: The configuration makes no sense, as check_config tells.
    """
    row = find_row(stores, model_id, lock=True)
    refuse_archived(row)
    refuse_training(row)
    check_own_config(stores, row, own, at="")
    if dict(own) != row.config:
        stores.record_change(model_id, old_config=row.config, new_config=dict(own))
        row.config = dict(own)
        touch(row, stores.now())
    return record_of(stores, row)


def adopt_config(stores: Stores, model_id: str, own: Mapping[str, Any], *, source_version_id: str) -> Model:
    """Take over the configuration that made a version; the linked dataset may have changed since, which the next
    training then tells.

    Args:
        stores: Open stores.
        model_id: Id of the model.
        own: The version's; empty where it has none.
        source_version_id: Id of the version, for the audit.

    Returns:
        The model with its new effective configuration.

    Raises:
        ModelTraining: It is training.
        ModelArchived: It is archived.
        InvalidInput: There is none to take over.
    """
    row = find_row(stores, model_id, lock=True)
    refuse_archived(row)
    refuse_training(row)
    if not own:
        raise InvalidInput(f"Version {source_version_id} comes from an MLflow client and has no configuration.")
    if dict(own) != row.config:
        old = row.config
        row.config, row.updated_at = dict(own), stores.now()
        stores.record_change(model_id, source_version_id=source_version_id, old_config=old, new_config=row.config)
    return record_of(stores, row)


def check_own_config(stores: Stores, row: ModelRow, own: Mapping[str, Any], *, at: str) -> None:
    """Refuse own values that, merged with the layers below, no training could use; raises as check_config does."""
    model_type = ModelType(row.model_type)
    merged, sources = model_config.merge_layers(model_type, organizations.find_overrides(stores), own)
    check_config(merged, sources, TaskType(row.task_type), model_type, datasets.find_link(stores, row.id), at=at)
