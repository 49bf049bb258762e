"""The training configuration of a model: the system's defaults, and how layers of it are merged."""

import copy
from collections.abc import Mapping
from typing import Any

from studio.domain.tasks import ModelType

Layer = Mapping[str, Any]

NOT_MERGED = ("hyperparameters",)
SYSTEM_DEFAULTS: Layer = {
    "algorithm": "auto",
    "target_column": None,
    "feature_columns": [],
    "hyperparameters": {},
    "preprocessing": {
        "handle_missing": "auto",
        "scale_features": True,
        "encode_categories": "auto",
        "max_categories": 50,
    },
    "validation": {
        "test_size": 0.2,
        "validation_size": 0.2,
        "cv_folds": 5,
        "stratify": True,
        "split": "random",
        "time_column": None,
        "group_column": None,
        "random_state": 42,
    },
    "search": {
        "metric": None,
        "max_trials": None,
        "time_budget_seconds": 300,
        "parallel_trials": None,
        "sampler": "tpe",
        "pruner": "median",
        "ensemble": True,
        "max_predict_latency_ms": None,
        "max_model_mb": None,
    },
    "imbalance": "auto",
    "compute_shap": False,
    "export_onnx": False,
    "keep_best_on_timeout": True,
    "time_column": None,
    "horizon": None,
    "frequency": None,
}
CUSTOM_DEFAULTS: Layer = {
    "entry_point": None,
    "runtime_environment": "python3.11",
    "resource_profile": "cpu.standard",
    "requirements_file": None,
}


def defaults_of(model_type: ModelType) -> Layer:
    """The system's defaults for models of a type."""
    return {**SYSTEM_DEFAULTS, **CUSTOM_DEFAULTS} if model_type is ModelType.CUSTOM else SYSTEM_DEFAULTS


def merge_layers(model_type: ModelType, organization: Layer, model: Layer) -> tuple[dict[str, Any], dict[str, str]]:
    """The effective configuration, and where each of its keys comes from.

    Args:
        model_type: Type of the model.
        organization: What the organization overrides.
        model: The model's own values.

    Returns:
        The configuration with every key, and a map of every key (nested ones dotted) to ``system``, ``organization``
        or ``model``.
    """
    merged: dict[str, Any] = copy.deepcopy(dict(defaults_of(model_type)))
    sources = dict.fromkeys(_keys_of(merged), "system")
    for name, layer in (("organization", organization), ("model", model)):
        for key, value in layer.items():
            if isinstance(value, Mapping) and key not in NOT_MERGED:
                merged[key] = {**merged[key], **value}
                sources.update({f"{key}.{inner}": name for inner in value})
            else:
                merged[key] = copy.deepcopy(value)
                sources[key] = name
    return merged, sources


def overlay(base: Layer, changes: Layer) -> dict[str, Any]:
    """A shallow merge: a top-level key given replaces that key, ``None`` removes it."""
    merged = {**base, **changes}
    return {key: value for key, value in merged.items() if key not in changes or changes[key] is not None}


def _keys_of(config: Layer) -> list[str]:
    keys: list[str] = []
    for key, value in config.items():
        nested = isinstance(value, Mapping) and key not in NOT_MERGED
        keys.extend(f"{key}.{inner}" for inner in value) if nested else keys.append(key)
    return keys
