"""Some training rows of a version: which explanations compare other rows with, and other forms of it are tried with.

Neither lies in its model folder: whoever may download a model need not see its rows.
"""

from typing import Any, Final

import orjson

from studio.backends.stores import Stores
from studio.domain.versions import SERVING_SAMPLE, ModelVersion
from studio.errors import BadKey, FileMissing, NotFound
from studio.versions.service.reading import folder_of

BACKGROUND: Final = "background.json"
EXAMPLE: Final = "input_example.json"  # what MLflow calls it


def keep_background(stores: Stores, model_id: str, number: int, rows: bytes) -> None:
    """Store rows of a version, a JSON list of records; a repeat replaces them."""
    stores.files.put(f"{folder_of(model_id, number)}/{BACKGROUND}", [rows])


def read_background(stores: Stores, model_id: str, name: str, number: int) -> bytes:
    """Rows of a version as a JSON list of records: those its training kept, else the input example in its folder.

    Args:
        stores: Open stores.
        model_id: Id of the model.
        name: Its name.
        number: Number of the version.

    Returns:
        An empty list where there are none.
    """
    try:
        with stores.files.open(f"{folder_of(model_id, number)}/{BACKGROUND}") as file:
            return file.read()
    except FileMissing:
        return orjson.dumps(_read_example(stores, name, number))


def _read_example(stores: Stores, name: str, number: int) -> list[dict[str, Any]]:
    try:
        content = orjson.loads(stores.registry.read_model_file(name, number, EXAMPLE))
    except (FileMissing, BadKey, orjson.JSONDecodeError):
        return []
    if not isinstance(content, dict) or not {"columns", "data"} <= content.keys():
        return []
    return [dict(zip(content["columns"], row, strict=False)) for row in content["data"]]


def find_sample(stores: Stores, version: ModelVersion) -> str | None:
    """Address of a Parquet file of rows that a version was trained on, to compare other forms of it with.

    None where it was not trained here, or its MLflow run is gone; the file may be gone too.
    """
    if version.mlflow_run_id is None or version.is_external:
        return None
    try:
        return stores.runs.artifact_address(version.mlflow_run_id, SERVING_SAMPLE)
    except NotFound:
        return None
