"""Takes tables into the catalogue: all of one, or nothing of it."""

import contextlib
import logging
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import IO

from sqlalchemy import update

from studio.backends.files.work_folder import work_folder
from studio.backends.sources.sources import SourceRequest, open_source
from studio.backends.stores import OpenStores, Stores
from studio.datasets.service.catalogue import get_dataset
from studio.datasets.service.reading_apart import read_table
from studio.datasets.service.removal import give_up, remove_rest
from studio.datasets.service.uploaders import name_process
from studio.datasets.tables import DatasetRow
from studio.db.inserting import unused_id
from studio.domain.datasets import Dataset, DatasetSource, SourceType, folder_of
from studio.domain.identifiers import new_id
from studio.errors import BackendDown, TooLarge
from studio.tabular.ingestion import ingest
from studio.tabular.table import Table

logger = logging.getLogger(__name__)

SIGN_OF_LIFE_EVERY = timedelta(minutes=1)
SEND_BYTES = 1 << 20


def upload_dataset(stores: Stores, content: IO[bytes], *, name: str, description: str = "") -> Dataset:
    """Take an uploaded file into the catalogue.

    Must be the first thing that is done with the stores: reading a table takes long, and a transaction that has begun
    would keep others from writing meanwhile.

    Args:
        stores: Open stores of the uploader.
        content: A file on disk, CSV or Parquet, either gzip-compressed or not; stays open.
        name: 1 to 120 characters; need not be unique.
        description: Up to 2000 characters.

    Returns:
        The dataset. On an error neither row nor bytes are left behind.

    Raises:
        TooLarge: More bytes than ``dataset_limit_bytes``, as received or decompressed.
        DatasetUnreadable: Not CSV or Parquet, or broken; with ``line`` and ``column`` where known.
        DatasetEmpty: No column or no row.
        DuplicateColumns: A name stands more than once.
    """
    limit_bytes = stores.config.dataset_limit_bytes
    size_bytes = content.seek(0, os.SEEK_END)  # also writes out what Python still holds of it
    if size_bytes > limit_bytes:
        raise TooLarge(f"A dataset may have {limit_bytes} bytes.", max_bytes=limit_bytes)
    path = Path(f"/proc/self/fd/{content.fileno()}")  # an uploaded file has no other name
    with _work_folder(stores) as folder:
        return _take_in(stores, path, folder, DatasetSource(SourceType.UPLOAD), name, description)


def import_dataset(stores: Stores, wanted: SourceRequest, *, name: str, description: str = "") -> Dataset:
    """Take a table from a source the administrator allows; as upload_dataset in everything else.

    Args:
        stores: Open stores.
        wanted: The source.
        name: 1 to 120 characters.
        description: Up to 2000 characters.

    Raises:
        SourceNotAllowed: The configuration does not allow that source, or the URI holds credentials.
        SourceUnreachable: It does not answer, or there is nothing at that address.
        InvalidInput: The database refuses the query.
        TooLarge: As upload_dataset; so DatasetUnreadable, DatasetEmpty and DuplicateColumns.
    """
    with (
        _work_folder(stores) as folder,
        open_source(stores.config, stores.organization, wanted, folder) as path,
    ):
        return _take_in(stores, path, folder, DatasetSource(wanted.type, wanted.uri), name, description)


def _work_folder(stores: Stores) -> contextlib.AbstractContextManager[Path]:
    return work_folder(stores.config.data_folder / "uploads")


def _take_in(stores: Stores, path: Path, folder: Path, source: DatasetSource, name: str, description: str) -> Dataset:
    typed, original = folder / "table.parquet", folder / "original"
    table = ingest(path, typed, original=original, max_bytes=stores.config.dataset_limit_bytes, read=read_table)
    with stores.open_apart(write=True) as apart:
        row = _row_of(apart, table, source, name, description)
        apart.db.add(row)
    dataset_id, uploader = row.id, row.uploader
    try:
        place = folder_of(dataset_id)
        stores.files.put(f"{place}/original.{table.format}", _pieces(stores, dataset_id, original))
        stores.files.put(f"{place}/table.parquet", _pieces(stores, dataset_id, typed))
    except BaseException:
        discard_upload(stores.open_apart, dataset_id)
        raise
    _complete(stores, dataset_id, uploader)
    dataset = get_dataset(stores, dataset_id)
    stores.record_change(
        None, dataset_id=dataset_id, name=name, source_type=source.type, source_uri=source.uri, format=table.format,
        rows=table.rows, columns=len(table.columns), size_bytes=table.size_bytes, fingerprint=table.fingerprint,
    )  # fmt: skip
    return dataset


def _row_of(stores: Stores, table: Table, source: DatasetSource, name: str, description: str) -> DatasetRow:
    return DatasetRow(
        id=unused_id(stores.db, DatasetRow, lambda: new_id("dataset")),
        organization=stores.organization,
        name=name,
        description=description,
        search_text=f"{name}\n{description}".casefold(),
        format=str(table.format),
        source={"type": str(source.type), "uri": source.uri},
        rows=table.rows,
        columns=[[column.name, str(column.type)] for column in table.columns],
        size_bytes=table.size_bytes,
        fingerprint=table.fingerprint,
        is_complete=False,
        uploader=name_process(),
        seen_at=stores.now(),
        created_at=stores.now(),
        created_by=stores.actor.user_id or "",
    )


def _pieces(stores: Stores, dataset_id: str, path: Path) -> Iterator[bytes]:
    """A file piece by piece, with signs of life in between."""
    seen_at = stores.now()
    with path.open("rb") as file:
        while piece := file.read(SEND_BYTES):
            yield piece
            if stores.now() - seen_at >= SIGN_OF_LIFE_EVERY:
                seen_at = stores.now()
                with stores.open_apart(write=True) as apart:
                    apart.db.execute(update(DatasetRow).where(DatasetRow.id == dataset_id).values(seen_at=seen_at))


def _complete(stores: Stores, dataset_id: str, uploader: str | None) -> None:
    """Show the dataset, with the commit of the call."""
    statement = (
        update(DatasetRow)
        .where(DatasetRow.id == dataset_id, DatasetRow.uploader == uploader)
        .values(is_complete=True, uploader=None, seen_at=None)
    )
    if stores.db.execute(statement.returning(DatasetRow.id)).first() is None:
        stores.files.delete_folder(folder_of(dataset_id))
        raise BackendDown("The upload paused for so long that it was given up; try again.")


def discard_upload(open_apart: OpenStores, dataset_id: str) -> None:
    """Leave nothing of an upload of this process whose transaction was rolled back; safe to repeat.

    What cannot be removed now, the worker removes.

    Args:
        open_apart: Opens stores of its organization; give ``write``.
        dataset_id: What ``upload_dataset`` made.
    """
    try:
        with open_apart(write=True) as apart:
            if not give_up(apart, dataset_id, name_process()):
                return
        remove_rest(open_apart, dataset_id)
    except BackendDown:  # the first fault is the one to tell
        logger.warning("failed upload left for the worker to remove", extra={"dataset_id": dataset_id})
