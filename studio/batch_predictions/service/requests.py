"""Starts batch predictions."""

from functools import partial

from sqlalchemy import func, select

from studio.backends.stores import Stores
from studio.batch_predictions.service.rows import record_of
from studio.batch_predictions.tables import BatchJobRow
from studio.datasets import service as datasets
from studio.db.inserting import unused_id
from studio.domain.batch_jobs import BatchJob, BatchStatus
from studio.domain.datasets import Dataset
from studio.domain.identifiers import new_id
from studio.errors import NoVersion, QuotaExceeded, SchemaMismatch
from studio.predictions import service as predictions
from studio.training import service as training


def start_batch(stores: Stores, model_id: str, *, dataset_id: str, version_id: str | None = None) -> BatchJob:
    """Put a batch prediction into the queue; its dataset is kept until it has ended.

    Args:
        stores: Open writing stores.
        model_id: Id of the model.
        dataset_id: Id of the dataset; it has every column the version needs, and perhaps others.
        version_id: Id of the version, None for the promoted one.

    Raises:
        ModelNotFound: There is no such model.
        DatasetNotFound: There is no such dataset.
        VersionNotFound: The model has no such version.
        NoVersion: No version is asked for and none is promoted.
        VersionNotReady: The version is not ready, or its model folder is gone.
        SchemaMismatch: The dataset lacks a column; names each.
        QuotaExceeded: The organization has too much queued.
    """
    with stores.open_apart(write=False) as reading:  # MLflow may take its time: no transaction waits for it
        dataset = datasets.get_dataset(reading, dataset_id)
        asked = predictions.find_asked(reading, model_id, version_id)
    if asked is None:
        raise NoVersion("No version is promoted; promote one, or name one with version_id.")
    _refuse_mismatch(dataset, predictions.InputSchema(asked.columns))
    _refuse_beyond_quota(stores)
    row = BatchJobRow(
        id=unused_id(stores.db, BatchJobRow, partial(new_id, "batch")),
        organization=stores.organization,
        model_id=model_id,
        version=asked.version.number,
        dataset_id=dataset_id,
        status=BatchStatus.QUEUED.value,
        created_at=stores.now(),
        created_by=stores.actor.user_id,
        files={},
    )
    stores.db.add(row)
    stores.db.flush()
    datasets.hold_dataset(stores, dataset_id, row.id)
    stores.record_change(model_id, batch_id=row.id, version_id=asked.version.id, dataset_id=dataset_id)
    return record_of(row)


def _refuse_mismatch(dataset: Dataset, schema: predictions.InputSchema) -> None:
    lacking = sorted(schema.required - {column.name for column in dataset.columns})
    if lacking:
        told = "lacks 1 column" if len(lacking) == 1 else f"lacks {len(lacking)} columns"
        raise SchemaMismatch(
            f"Dataset {dataset.name!r} {told} that the version needs: {', '.join(lacking[:20])}.",
            fields=[("/dataset_id", f"has no column {name!r}") for name in lacking[:100]],
            missing_columns=lacking[:100],
        )


def _refuse_beyond_quota(stores: Stores) -> None:
    """Runs and batch jobs wait together."""
    is_queued = BatchJobRow.organization == stores.organization, BatchJobRow.status == BatchStatus.QUEUED.value
    queued = (stores.db.scalar(select(func.count()).where(*is_queued)) or 0) + training.count_queued(stores)
    if queued >= stores.config.queue_limit:
        raise QuotaExceeded(
            f"{stores.config.queue_limit} runs and batch predictions of this organization are queued already.",
            retry_after_s=60,
        )
