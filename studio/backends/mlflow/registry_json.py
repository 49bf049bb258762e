"""Registered models and versions in the form of MLflow's own REST API, without what we keep in their tags."""

import json
from collections.abc import Mapping
from typing import Any

from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.utils.proto_json_utils import message_to_json

from studio.backends.mlflow.version_tags import user_tags


def model_json(model: RegisteredModel) -> dict[str, Any]:
    """A registered model; ``latest_versions`` are the newest of each stage."""
    content = {"description": "", **_json_of(model)}
    content["tags"] = _tags_of(model.tags)
    content["aliases"] = [{"alias": alias, "version": str(number)} for alias, number in model.aliases.items()]
    content["latest_versions"] = [version_json(version, model.aliases) for version in model.latest_versions]
    return content


def version_json(version: ModelVersion, aliases: Mapping[str, Any]) -> dict[str, Any]:
    """A version.

    Args:
        version: It.
        aliases: All aliases of its model with their versions: a search leaves them out.
    """
    content = {"description": "", **_json_of(version)}
    content["tags"] = _tags_of(version.tags)
    content["aliases"] = sorted(alias for alias, number in aliases.items() if int(number) == int(version.version))
    return content


def _json_of(entity: Any) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(message_to_json(entity.to_proto()))
    return content


def _tags_of(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in sorted(user_tags(tags).items())]
