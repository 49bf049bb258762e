"""A training run: its states, phases and events."""

import enum


class RunStatus(enum.StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_finished(self) -> bool:
        """True for the three states no run leaves."""
        return self in (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED)


class Priority(enum.StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class Phase(enum.StrEnum):
    """The stages of a run, in order."""

    DATA_VALIDATION = "data_validation"
    PREPROCESSING = "preprocessing"
    ALGORITHM_SEARCH = "algorithm_search"
    EVALUATION = "evaluation"
    ARTIFACT_UPLOAD = "artifact_upload"


class EventType(enum.StrEnum):
    """The messages of a run's stream; the last three end it."""

    STATE = "state"
    PROGRESS = "progress"
    TRIAL = "trial"
    METRIC = "metric"
    LOG = "log"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        """True for the message after which none follows."""
        return self in (EventType.COMPLETED, EventType.FAILED, EventType.CANCELLED)


class LogLevel(enum.StrEnum):
    """How much a line of a run's log matters, least first."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def and_above(self) -> list["LogLevel"]:
        """This level and those that matter more."""
        levels = list(LogLevel)
        return levels[levels.index(self) :]
