"""What a search is asked to do."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from studio.tabular.written import Readable

Task = Literal["classification", "regression", "time_series", "clustering"]
ColumnType = Literal["number", "category", "boolean", "datetime", "text"]


@dataclass(frozen=True)
class Preprocessing:
    """How columns become numbers.

    Attributes:
        handle_missing: ``auto`` leaves gaps to families that understand them and gives the others the median
            and an indicator; ``mean``, ``median``, ``most_frequent`` and ``constant`` (0, or a category of
            its own) fill them; ``drop`` trains without the rows that have any.
        encode_categories: ``auto`` takes what suits the family; ``onehot``, ``ordinal``, ``target``.
        max_categories: Values kept per category column, 2..1000; rarer ones are pooled.
    """

    handle_missing: Literal["auto", "mean", "median", "most_frequent", "constant", "drop"] = "auto"
    scale_features: bool = True
    encode_categories: Literal["auto", "onehot", "ordinal", "target"] = "auto"
    max_categories: int = 50


@dataclass(frozen=True)
class Validation:
    """Which rows are for what.

    Attributes:
        test_size: Share of the rows no search ever sees, above 0 and below 1.
        validation_size: Share of the rows candidates are compared on, above 0 and below 1.
        cv_folds: Folds where cross-validation is affordable, 2..20.
        stratify: Keep the shares of the classes (classification only).
        split: ``time`` puts the newest rows last, ``group`` keeps the rows of a group together.
    """

    test_size: float = 0.2
    validation_size: float = 0.2
    cv_folds: int = 5
    stratify: bool = True
    split: Literal["random", "time", "group"] = "random"
    time_column: str | None = None
    group_column: str | None = None
    random_state: int = 42


@dataclass(frozen=True)
class Plan:
    """Everything a search needs to know besides the table.

    Attributes:
        target: Column to predict; empty for clustering.
        column_types: Type of every column of the table that may be used, by name.
        features: Input columns; empty means all but the target and the columns of the split.
        algorithm: ``auto`` or the name of a family.
        hyperparameters: Fixed for every trial of a family that takes them; the rest is searched.
        metric: Metric to optimize; None takes the task's primary one.
        max_trials: Trials at most, None for as many as the budget allows.
        budget_s: Seconds for search, final fit and evaluation together; None for no limit.
        whole_budget_s: What it was when the search first began, where this call goes on with it; None for the same.
        parallel_trials: Trials at once; None takes what the cores allow, and 1 where ``budget_s`` is None, so
            that a run bounded by trials alone can be repeated.
        ensemble: Whether the best candidates may be blended into one more.
        imbalance: ``class_weight`` weighs rare classes up, ``auto`` does so where the metric gains by it.
        max_predict_latency_ms: Longest one-row prediction of a candidate that may win.
        max_model_mb: Largest candidate that may win.
        threads: Cores to use, None for all this process may run on.
        compute_shap: Whether to compute SHAP importances within the budget.
        memory_cap_mb: Memory of this process and its trials together; the trial that passes it fails. None
            for none.
        time_column: Time stamps of a time series; its series are named by ``validation.group_column``.
        horizon: Steps ahead that a time series model forecasts, 1..1000.
        frequency: Step of a time series as a pandas offset alias; None finds it.
        written: How numbers and dates are written where they come as text, by column with a way of its own.
    """

    task: Task
    target: str
    column_types: Mapping[str, str]
    features: tuple[str, ...] = ()
    algorithm: str = "auto"
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    preprocessing: Preprocessing = Preprocessing()
    validation: Validation = Validation()
    metric: str | None = None
    max_trials: int | None = None
    budget_s: float | None = 300.0
    whole_budget_s: float | None = None
    parallel_trials: int | None = None
    sampler: Literal["tpe", "random", "cmaes", "gp"] = "tpe"
    pruner: Literal["hyperband", "median", "none"] = "median"
    ensemble: bool = True
    imbalance: Literal["auto", "none", "class_weight"] = "auto"
    max_predict_latency_ms: float | None = None
    max_model_mb: float | None = None
    threads: int | None = None
    memory_cap_mb: float | None = None
    time_column: str | None = None
    horizon: int | None = None
    frequency: str | None = None
    compute_shap: bool = False
    written: Mapping[str, Readable] = field(default_factory=dict)

    def written_of(self, columns: Collection[str]) -> dict[str, Readable]:
        """How those of some columns are written that have a way of their own."""
        return {name: self.written[name] for name in columns if name in self.written}
