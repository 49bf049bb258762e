"""An ML model as the service keeps it."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from studio.domain.datasets import DatasetLink
from studio.domain.tasks import ModelType, TaskType


class ModelStatus(enum.StrEnum):
    DRAFT = "draft"
    TRAINING = "training"
    READY = "ready"
    ARCHIVED = "archived"
    FAILED = "failed"


class Visibility(enum.StrEnum):
    ORG = "org"
    PRIVATE = "private"


@dataclass(frozen=True)
class Model:
    """One ML model.

    Attributes:
        version: Highest version number, 1 while there is none.
        config: The effective configuration, every key of it.
        sources: Where each key of it comes from: ``system``, ``organization`` or ``model``.
        own_config: The model's own values alone.
        dataset: The link to the dataset it learns from.
        metrics: Test metrics of the promoted version, else of the newest ready one.
    """

    id: str
    name: str
    description: str
    model_type: ModelType
    task_type: TaskType
    status: ModelStatus
    version: int
    tags: tuple[str, ...]
    config: Mapping[str, Any]
    sources: Mapping[str, str]
    own_config: Mapping[str, Any]
    dataset: DatasetLink | None
    metrics: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime
    created_by: str
    archived_at: datetime | None
    source_model_id: str | None
    promoted_version_id: str | None

    @property
    def revision(self) -> str:
        """Differs after every change, those of its collaborators and its dataset link among them."""
        return self.updated_at.isoformat()
