"""Gathers the segments that hosts have finished: each becomes a Parquet file and a row, and is removed.

Whatever ends this in between, nothing is lost and nothing is there twice: the file and the row have the segment's name,
and the segment stays until both are there.
"""

import logging
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from studio.backends.serving.prediction_log import finished_segments, read_segment
from studio.backends.stores import OpenFor, Stores
from studio.domain.actors import system_actor
from studio.domain.versions import version_number_of
from studio.errors import ModelNotFound
from studio.models import service as models
from studio.prediction_log.jobs.columns import table_of
from studio.prediction_log.tables import PredictionSegmentRow

logger = logging.getLogger(__name__)

UNREADABLE = ".unreadable"


def gather_segments(open_stores: OpenFor, folder: Path) -> int:
    """Gather all segments that are finished; one that cannot be gathered stays and harms no other.

    Args:
        open_stores: Opens stores of an organization.
        folder: Where the hosts of this machine write.

    Returns:
        How many predictions were gathered.
    """
    gathered = 0
    for path in finished_segments(folder):
        try:
            gathered += _gather(open_stores, path)
        except (ValueError, KeyError):  # not as a host writes it: kept aside, and told once
            logger.exception("a segment of the prediction log cannot be read", extra={"segment": path.name})
            path.rename(path.with_suffix(UNREADABLE))
        except Exception:
            logger.exception("logged predictions could not be gathered", extra={"segment": path.name})
    return gathered


def _gather(open_stores: OpenFor, path: Path) -> int:
    about, lines = read_segment(path)
    found = list(lines)
    if about is None or not found:
        path.unlink()
        return 0
    table = table_of(found)
    with open_stores(system_actor(about["organization"]), write=False) as stores:
        is_wanted = _is_there(stores, about["model_id"])
        size_bytes = _store(stores, table, _key_of(about, path)) if is_wanted else 0
    if is_wanted:
        with open_stores(system_actor(about["organization"]), write=True) as stores:
            if _is_there(stores, about["model_id"]):
                stores.db.merge(_row_of(about, path, table, size_bytes))
            else:  # it was deleted just now
                stores.files.delete(_key_of(about, path))
    path.unlink()
    return len(table) if is_wanted else 0


def _is_there(stores: Stores, model_id: str) -> bool:
    try:
        models.get_model(stores, model_id)
    except ModelNotFound:
        return False
    return True


def _key_of(about: dict[str, Any], path: Path) -> str:
    return f"{about['model_id']}/predictions/{path.stem}.parquet"


def _store(stores: Stores, table: pa.Table, key: str) -> int:
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        pq.write_table(table, file.name, compression="zstd")
        return stores.files.put_path(key, Path(file.name)).size_bytes


def _row_of(about: dict[str, Any], path: Path, table: pa.Table, size_bytes: int) -> PredictionSegmentRow:
    times = pc.min_max(table["predicted_at"]).as_py()
    return PredictionSegmentRow(
        id=path.stem, organization=about["organization"], model_id=about["model_id"],
        deployment_id=about["deployment_id"], version=version_number_of(about["version_id"]),
        source=about["source"],
        first_at=times["min"], last_at=times["max"], predictions=len(table), size_bytes=size_bytes,
    )  # fmt: skip
