"""What a model is of and what it learns."""

import enum


class ModelType(enum.StrEnum):
    AUTO = "auto"
    CUSTOM = "custom"


class TaskType(enum.StrEnum):
    CLASSIFICATION = "classification"
    REGRESSION = "regression"
    CLUSTERING = "clustering"
    TIME_SERIES = "time_series"
