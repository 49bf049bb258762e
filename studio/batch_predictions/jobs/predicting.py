"""The process of one job: chunk by chunk from the dataset through the model host into the work folder, then out."""

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from studio.backends.files.port import StoredFile
from studio.backends.mlflow.loading import DEPLOYED_LOADER
from studio.backends.serving.port import Answer
from studio.backends.stores import OpenStores
from studio.batch_predictions.jobs.chunks import predict_chunk
from studio.batch_predictions.jobs.parts import Parts
from studio.batch_predictions.service.queue import complete_batch, fail_batch, note_progress
from studio.batch_predictions.service.rows import find_row
from studio.datasets import service as datasets
from studio.domain.batch_jobs import BatchFailure, BatchStatus
from studio.domain.versions import version_id_of
from studio.errors import BackendDown, BatchNotFound, StudioError, VersionNotFound
from studio.predictions import service as predictions

logger = logging.getLogger(__name__)

CHUNK_ROWS = 4096
CHUNK_CELLS = 1 << 17
TELL_EVERY_S = 1.0
ASK_TIMEOUT_S = 300.0  # of one chunk: models may be slow, and nobody waits at the other end
PATIENCE_S = 600.0  # with a host that has too much to do or cannot be started
PAUSE_S = 2.0


def predict_dataset(open_stores: OpenStores, batch_id: str, work_folder: Path) -> None:
    """Do one job to its end; what it is to blame for itself is written down, not raised.

    Safe to repeat after a kill: chunks that lie in the work folder are not predicted again.

    Args:
        open_stores: Opens stores; give ``write``.
        batch_id: Id of a job this process's worker holds.
        work_folder: Its folder, the same at every attempt.
    """
    try:
        _Job(open_stores, batch_id, work_folder).run()
    except BatchNotFound:
        logger.info("a batch prediction went with its model", extra={"batch_id": batch_id})
    except StudioError as error:
        logger.warning("batch prediction failed", extra={"batch_id": batch_id, "code": error.code})
        with open_stores(write=True) as stores:
            fail_batch(stores, batch_id, BatchFailure(error.code, str(error)))


class _Job:
    """One job under way."""

    def __init__(self, open_stores: OpenStores, batch_id: str, work_folder: Path) -> None:
        self._open, self._id, self._folder = open_stores, batch_id, work_folder
        self._parts = Parts(work_folder)
        self._told_at = 0.0

    def run(self) -> None:
        """Predict what is not predicted, then hand out the whole."""
        with self._open(write=False) as stores:
            row = find_row(stores, self._id)
            if BatchStatus(row.status).is_finished:
                return
            self._model_id, dataset_id = row.model_id, row.dataset_id
            self._hosts, self._files = stores.hosts, stores.files
            asked = predictions.find_asked(stores, row.model_id, version_id_of(row.version))
            if asked is None:
                raise VersionNotFound(version_id_of(row.version))
            table = self._folder / "table.parquet"
            if not table.exists():
                datasets.fetch_table(stores, dataset_id, table)
        schema = predictions.InputSchema(asked.columns)
        kind = asked.outputs[0].type if asked.outputs else None
        ask = self._asker(asked)
        with pq.ParquetFile(table) as file:
            total = file.metadata.num_rows
            for number, (start, chunk) in enumerate(_chunks(file)):
                if not self._parts.has(number, len(chunk)):
                    found = predict_chunk(chunk, start, schema, ask, kind)
                    self._parts.keep(number, found)
                self._tell(total)
        self._hand_out(total)

    def _asker(self, asked: predictions.Asked) -> Callable[[list[predictions.Row]], Answer]:
        def ask(rows: list[predictions.Row]) -> Answer:
            """Ask the model host, waiting where it has too much to do."""
            until = time.monotonic() + PATIENCE_S
            while True:
                try:
                    return self._hosts.predict(
                        asked.compiled_key, DEPLOYED_LOADER, asked.compiled_loading, rows, timeout_s=ASK_TIMEOUT_S
                    )
                except BackendDown:
                    if time.monotonic() > until:
                        raise
                    time.sleep(PAUSE_S)

        return ask

    def _tell(self, total: int, *, at_once: bool = False) -> None:
        if not at_once and time.monotonic() - self._told_at < TELL_EVERY_S:
            return
        self._told_at = time.monotonic()
        with self._open(write=True) as stores:
            note_progress(stores, self._id, total=total, predicted=self._parts.n_predicted, failed=self._parts.n_failed)

    def _hand_out(self, total: int) -> None:
        """Put the files together and into the store, and end the job."""
        self._tell(total, at_once=True)
        folder, files = f"{self._model_id}/batches/{self._id}", {}
        written = self._parts.assemble(self._folder / "result")
        for name, path in written.items():
            files[name] = self._files.put_path(f"{folder}/{path.name}", path)
        try:
            self._end(files)
        except BatchNotFound:  # deleted with its model, whose files may be gone already
            self._files.delete_folder(folder)
            raise

    def _end(self, files: dict[str, StoredFile]) -> None:
        with self._open(write=True) as stores:
            if self._parts.n_predicted:
                complete_batch(stores, self._id, files)
                return
            message = f"No row could be predicted; the first: {self._parts.first_error}"
            fail_batch(stores, self._id, BatchFailure("no_row_predicted", message), files)


def _chunks(file: pq.ParquetFile) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The rows in file order, in the same pieces at every attempt, each with the number of rows before it."""
    size = max(1, min(CHUNK_ROWS, CHUNK_CELLS // max(1, len(file.schema_arrow.names))))
    start = 0
    for chunk in file.iter_batches(batch_size=size):
        yield start, chunk
        start += len(chunk)
