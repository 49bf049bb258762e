"""Reads and changes a model's configuration and settings."""

from collections.abc import Mapping
from typing import Any

from studio.backends.stores import Stores
from studio.domain.model_records import Model
from studio.models import service as models


def get_config(stores: Stores, model_id: str) -> dict[str, Any]:
    """The effective configuration of a model, with ``sources``.

    Raises:
        ModelNotFound: There is no such model.
    """
    return _with_sources(models.get_model(stores, model_id))


def replace_config(stores: Stores, model_id: str, own: Mapping[str, Any]) -> dict[str, Any]:
    """Replace the model's own values; raises as models.replace_config does."""
    return _with_sources(models.replace_config(stores, model_id, own))


def get_settings(stores: Stores, model_id: str) -> dict[str, Any]:
    """Every setting of a model, with ``model_id``; raises as models.get_settings does."""
    return {"model_id": model_id, **models.get_settings(stores, model_id)}


def update_settings(stores: Stores, model_id: str, changes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Change settings of a model; raises as models.update_settings does."""
    return {"model_id": model_id, **models.update_settings(stores, model_id, changes)}


def _with_sources(model: Model) -> dict[str, Any]:
    return {**model.config, "sources": dict(model.sources)}
