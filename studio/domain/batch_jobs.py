"""A batch prediction: a version's predictions for every row of a dataset."""

import enum
from dataclasses import dataclass
from datetime import datetime


class BatchStatus(enum.StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def is_finished(self) -> bool:
        """Whether nothing changes any more."""
        return self in (BatchStatus.COMPLETED, BatchStatus.FAILED)


@dataclass(frozen=True)
class BatchFailure:
    """Why a job failed: a stable code, and words."""

    code: str
    message: str


@dataclass(frozen=True)
class BatchDownloads:
    """Addresses of the result as CSV and as Parquet, and of the error file; None where there is none."""

    csv: str | None = None
    parquet: str | None = None
    errors: str | None = None


@dataclass(frozen=True)
class BatchJob:
    """One job.

    Attributes:
        rows_total: Rows of the dataset, None until they are known.
        rows_predicted: So far.
        rows_failed: So far; each has at least one line in the error file.
        downloads_expire_at: Until when the addresses work; None where there are none.
    """

    batch_id: str
    model_id: str
    version_id: str
    dataset_id: str
    status: BatchStatus
    rows_total: int | None
    rows_predicted: int
    rows_failed: int
    created_at: datetime
    created_by: str
    started_at: datetime | None
    completed_at: datetime | None
    failure: BatchFailure | None
    downloads: BatchDownloads
    downloads_expire_at: datetime | None
