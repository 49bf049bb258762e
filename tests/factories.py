"""Things to test with: valid by default, each fact can be overridden."""

import io
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from studio.datasets import service as datasets
from studio.datasets.tables import DatasetRow
from studio.domain.datasets import Dataset
from studio.domain.identifiers import new_id
from studio.domain.model_records import Model
from studio.domain.tasks import ModelType, TaskType
from studio.models import service as models
from studio.tabular.ingestion import ingest


def parcels(rows=60, *, seed=1):
    """Deliveries: ``late`` and ``delay_h`` depend on distance and carrier; a few values are missing."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "distance_km": random.uniform(1, 900, rows).round(1),
            "weight_kg": random.gamma(2.0, 2.0, rows).round(2),
            "carrier": random.choice(["Nordvik", "Ansa", "Pelikan"], rows),
            "is_fragile": random.random(rows) < 0.3,
        }
    )
    delay_h = frame["distance_km"] / 60 + (frame["carrier"] == "Ansa") * 6 + random.normal(0, 1.5, rows)
    frame["delay_h"] = delay_h.round(2)
    frame["late"] = delay_h.gt(delay_h.median()).map({True: "late", False: "on_time"})
    frame.loc[:: max(rows // 5, 2), "weight_kg"] = None
    return frame


def csv_of(frame):
    """A table as the bytes of a CSV file."""
    sink = io.BytesIO()
    frame.to_csv(sink, index=False)
    return sink.getvalue()


def make_dataset(stores, frame=None, *, content=None, name="Parcels", **facts) -> Dataset:
    """A complete dataset with its files, from a table or from a file's bytes."""
    content = csv_of(parcels() if frame is None else frame) if content is None else content
    dataset_id = facts.pop("id", None) or new_id("dataset")
    with tempfile.TemporaryDirectory() as folder:
        sent, typed, original = (Path(folder) / part for part in ("sent", "typed", "original"))
        sent.write_bytes(content)
        table = ingest(sent, typed, original=original, max_bytes=1 << 30)
        row = DatasetRow(
            **{
                "id": dataset_id,
                "organization": stores.organization,
                "name": name,
                "search_text": name.casefold(),
                "format": str(table.format),
                "source": {"type": "upload", "uri": None},
                "rows": table.rows,
                "columns": [[column.name, str(column.type)] for column in table.columns],
                "size_bytes": table.size_bytes,
                "fingerprint": table.fingerprint,
                "is_complete": True,
                "created_at": stores.now(),
                "created_by": stores.actor.user_id,
                **facts,
            }
        )
        stores.files.put_path(f"datasets/{dataset_id}/original.{row.format}", original)
        stores.files.put_path(f"datasets/{dataset_id}/table.parquet", typed)
    stores.db.add(row)
    stores.db.flush()
    return datasets.get_dataset(stores, dataset_id)


def make_model(stores, name="Late delivery risk", *, dataset=None, **facts) -> Model:
    """A draft that would classify ``late``; ``dataset=make_dataset(stores)`` links one."""
    facts = {
        "model_type": ModelType.AUTO,
        "task_type": TaskType.CLASSIFICATION,
        "config": {"target_column": "late"},
        "dataset_id": dataset.id if dataset else None,
        **facts,
    }
    stores.note = None  # each call records its own change: neither the one before nor the one after is disturbed
    model = models.create_model(stores, name=name, **facts)
    stores.note = None
    return model


def schedule_of(cron="0 3 * * *", **facts):
    """What a schedule is set to, by default a run every night in UTC."""
    return {
        "trigger": "cron",
        "cron": cron,
        "timezone": "UTC",
        "drift_threshold": None,
        "min_interval_s": 3600,
        "is_enabled": True,
        "label": None,
        "priority": "normal",
        "timeout_s": 3600,
        "config_override": {},
        **facts,
    }
