"""A run's configuration as the plan of a search."""

import os
from collections.abc import Iterable, Mapping

import psutil

from studio.automl.plan import Plan, Preprocessing, Validation
from studio.config import Config
from studio.domain.datasets import Column
from studio.domain.run_records import TrainingRun
from studio.tabular.written import Readable

MB = 1 << 20
SHARE_OF_MEMORY = 0.75
SHARE_FOR_SEARCH = 0.9  # the worker kills the run at the whole cap: its trials must fail before that


def plan_of(
    run: TrainingRun,
    task: str,
    columns: Iterable[Column],
    *,
    budget_s: float | None,
    config: Config,
    written: Mapping[str, Readable],
) -> Plan:
    """The plan of a run's search.

    Args:
        run: The run, with its effective configuration.
        task: What its model learns.
        columns: Columns of the dataset.
        budget_s: Seconds left for search, final fit and evaluation; None where trials alone bound it.
        config: The settings.
        written: How the columns are written that have a way of their own, by name.
    """
    given = run.config
    wanted = given["search"]
    return Plan(
        task=task,  # type: ignore[arg-type]  # the queue lets no other task through
        target=given["target_column"] or "",
        column_types={column.name: str(column.type) for column in columns},
        features=tuple(given["feature_columns"]),
        algorithm=given["algorithm"],
        hyperparameters=given["hyperparameters"],
        preprocessing=Preprocessing(**given["preprocessing"]),
        validation=Validation(**given["validation"]),
        metric=wanted["metric"],
        max_trials=wanted["max_trials"],
        budget_s=budget_s,
        whole_budget_s=wanted["time_budget_seconds"],
        parallel_trials=wanted["parallel_trials"],
        sampler=wanted["sampler"],
        pruner=wanted["pruner"],
        ensemble=wanted["ensemble"],
        imbalance=given["imbalance"],
        max_predict_latency_ms=wanted["max_predict_latency_ms"],
        max_model_mb=wanted["max_model_mb"],
        time_column=given["time_column"],
        horizon=given["horizon"],
        frequency=given["frequency"],
        threads=threads_per_run(config),
        memory_cap_mb=memory_cap_mb(config) * SHARE_FOR_SEARCH,
        compute_shap=given["compute_shap"],
        written=written,
    )


def threads_per_run(config: Config) -> int:
    """Cores a run may use."""
    return config.run_threads or max(1, (os.cpu_count() or 1) // config.concurrent_runs)


def memory_cap_mb(config: Config) -> float:
    """Memory a run may use, over all its processes."""
    if config.run_memory_mb:
        return float(config.run_memory_mb)
    return psutil.virtual_memory().total / MB * SHARE_OF_MEMORY / config.concurrent_runs
