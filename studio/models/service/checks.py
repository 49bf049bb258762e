"""Whether a configuration makes sense for a model and its dataset."""

from collections.abc import Mapping
from typing import Any

from studio.automl.estimators import check_hyperparameters, known_algorithms
from studio.automl.series_steps import BadFrequency, read_frequency
from studio.domain.datasets import DatasetLink
from studio.domain.json_pointers import escape
from studio.domain.tasks import ModelType, TaskType
from studio.errors import (
    BadHyperparameter,
    InvalidInput,
    SchemaMismatch,
    TargetInFeatures,
    UnknownAlgorithm,
    UnknownColumn,
)
from studio.evaluation.metrics import metric_names


def check_config(
    config: Mapping[str, Any],
    sources: Mapping[str, str],
    task: TaskType,
    model_type: ModelType,
    dataset: DatasetLink | None,
    *,
    at: str,
) -> None:
    """Refuse a configuration that no training could use.

    Args:
        config: The effective configuration, every key of it.
        sources: Where each key comes from, so that nobody looks for a fault in what another set.
        task: What the model learns.
        model_type: Custom models choose their own algorithm.
        dataset: The linked dataset, whose columns are then checked.
        at: JSON pointer of the configuration in the request, for the faults.

    Raises:
        TargetInFeatures: The target is among the features.
        UnknownColumn: The dataset lacks a column.
        UnknownAlgorithm: The algorithm is not known, or not for this task.
        BadHyperparameter: The algorithm takes no such hyperparameter, or not this value of it.
        InvalidInput: The metric is not one of the task, or the split leaves nothing to train on.
    """
    target = config["target_column"]
    if target is not None and target in config["feature_columns"]:
        raise TargetInFeatures(
            f"The target {target!r} must not be among the features.",
            fields=[(f"{at}/feature_columns", "holds the target")],
        )
    _check_metric(config, sources, task, at)
    _check_sizes(config, sources, at)
    if config["frequency"] is not None:
        _check_frequency(config["frequency"], at)
    if model_type is ModelType.AUTO:
        _check_algorithm(config, sources, task, at)
    else:
        _check_arguments(config["hyperparameters"], at)
    if dataset is not None:
        missing = _missing_columns(config, dataset, at, everything=True)
        if missing:
            raise UnknownColumn(f"The dataset {dataset.dataset_name!r} lacks a column.", fields=missing)


def check_schema(config: Mapping[str, Any], dataset: DatasetLink, *, at: str) -> None:
    """Refuse a dataset that lacks the model's target or a feature.

    Raises:
        SchemaMismatch: It does; names every missing column.
    """
    missing = _missing_columns(config, dataset, at, everything=False)
    if missing:
        raise SchemaMismatch(
            f"The dataset {dataset.dataset_name!r} lacks {len(missing)} column(s) the model is configured for.",
            fields=missing,
        )


def _check_metric(config: Mapping[str, Any], sources: Mapping[str, str], task: TaskType, at: str) -> None:
    metric = config["search"]["metric"]
    known = metric_names(task)
    if metric is not None and metric not in known:
        raise InvalidInput(
            f"{metric!r} is not a metric of {task} models.",
            fields=[(f"{at}/search/metric", f"must be one of {', '.join(known)}{_by_whom(sources, 'search.metric')}")],
        )


def _check_sizes(config: Mapping[str, Any], sources: Mapping[str, str], at: str) -> None:
    """Each layer leaves something to train on; both together may not."""
    sizes = config["validation"]
    if sizes["test_size"] + sizes["validation_size"] >= 1:
        name = "validation_size" if sources["validation.validation_size"] == "organization" else "test_size"
        raise InvalidInput(
            f"A test_size of {sizes['test_size']:g} and a validation_size of {sizes['validation_size']:g} leave "
            "nothing to train on.",
            fields=[
                (f"{at}/validation/{name}", f"both together must be below 1{_by_whom(sources, f'validation.{name}')}")
            ],
        )


def _by_whom(sources: Mapping[str, str], key: str) -> str:
    """Said behind a fault in what the model itself does not set."""
    return "; the present value is set by the organization" if sources[key] == "organization" else ""


def _check_frequency(frequency: str, at: str) -> None:
    try:
        read_frequency(frequency)
    except BadFrequency as error:
        raise InvalidInput("The frequency cannot be used.", fields=[(f"{at}/frequency", str(error))]) from error


def _check_algorithm(config: Mapping[str, Any], sources: Mapping[str, str], task: TaskType, at: str) -> None:
    algorithm = config["algorithm"]
    known = known_algorithms(task)
    if algorithm not in known:
        raise UnknownAlgorithm(
            f"{algorithm!r} is not an algorithm for {task} models.",
            fields=[(f"{at}/algorithm", f"must be one of {', '.join(known)}{_by_whom(sources, 'algorithm')}")],
            known=known,
        )
    try:
        check_hyperparameters(algorithm, config["hyperparameters"], task)
    except BadHyperparameter as error:
        faults = [(pointer.replace("/config", at, 1), message) for pointer, message in error.fields]
        raise BadHyperparameter(str(error), fields=faults) from error


def _check_arguments(hyperparameters: Mapping[str, Any], at: str) -> None:
    """A custom model's are handed to its program as arguments, each a text, a number or a boolean."""
    for name, value in hyperparameters.items():
        if value is None or isinstance(value, list | dict):
            pointer = f"{at}/hyperparameters/{escape(name)}"
            reason = "must be a text, a number, true or false"
            raise BadHyperparameter(f"The hyperparameter {name!r} {reason}.", fields=[(pointer, reason)])


def _missing_columns(
    config: Mapping[str, Any], dataset: DatasetLink, at: str, *, everything: bool
) -> list[tuple[str, str]]:
    named = [(f"{at}/target_column", config["target_column"])]
    named += [(f"{at}/feature_columns/{place}", name) for place, name in enumerate(config["feature_columns"])]
    if everything:
        named.append((f"{at}/time_column", config["time_column"]))
        named += [(f"{at}/validation/{key}", config["validation"][key]) for key in ("time_column", "group_column")]
    columns = {column.name for column in dataset.columns}
    return [
        (pointer, f"there is no column {name!r}") for pointer, name in named if name is not None and name not in columns
    ]
