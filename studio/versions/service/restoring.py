"""Takes a version's configuration back."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from studio.automl.estimators import known_algorithms
from studio.backends.stores import Stores
from studio.domain.model_records import Model
from studio.domain.versions import ModelVersion
from studio.models import service as models
from studio.versions.service.reading import find_version


@dataclass(frozen=True)
class Restored:
    """What the model is trained with from now on.

    Attributes:
        active_config: Its effective configuration.
    """

    model_id: str
    restored_from_version: str
    active_config: dict[str, Any]
    restored_at: datetime


def restore_version(stores: Stores, model_id: str, version_id: str) -> Restored:
    """Make a version's algorithm, hyperparameters and configuration the model's own.

    Versions, promotion and history stay as they are. Safe to repeat.

    Raises:
        ModelNotFound: There is no such model.
        VersionNotFound: The model has no such version.
        ModelTraining: The model is training.
        ModelArchived: The model is archived.
        InvalidInput: The version comes from an MLflow client and has no configuration.
    """
    version = find_version(stores, model_id, version_id)
    own = _config_of(version, models.get_model(stores, model_id))
    model = models.adopt_config(stores, model_id, own, source_version_id=version_id)
    return Restored(model_id, version_id, dict(model.config), stores.now())


def _config_of(version: ModelVersion, model: Model) -> dict[str, Any]:
    if not version.config:
        return {}
    config = dict(version.config)
    # An ensemble is what a search ends with, and no algorithm to ask for: the search that led to it is.
    if version.algorithm in known_algorithms(model.task_type):
        config |= {"algorithm": version.algorithm, "hyperparameters": dict(version.hyperparameters)}
    return config
