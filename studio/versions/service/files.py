"""The files a version can be had as: which there are, how long they are, and what they hash to."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import delete, select

from studio.backends.files.port import StoredFile
from studio.backends.stores import Stores
from studio.domain.versions import FileFormat
from studio.versions.service.reading import folder_of
from studio.versions.tables import VersionFileRow

NAMES: Final = {
    FileFormat.PKL: "model.pkl",
    FileFormat.SKOPS: "model.skops",
    FileFormat.ONNX: "model.onnx",
    FileFormat.MLFLOW: "mlflow.zip",
    FileFormat.DOCKER_CONTEXT: "docker-context.zip",
}


def file_key(model_id: str, number: int, format: FileFormat) -> str:
    """Key of a version's file in the file store; ``joblib`` has none, as it reads the pickle."""
    return f"{folder_of(model_id, number)}/{NAMES[format]}"


def list_files(stores: Stores, model_id: str, number: int) -> dict[FileFormat, StoredFile]:
    """What was recorded of a version's files, by format."""
    query = select(VersionFileRow).where(VersionFileRow.model_id == model_id, VersionFileRow.version == number)
    return {FileFormat(row.format): StoredFile(row.key, row.size_bytes, row.sha256) for row in stores.db.scalars(query)}


def record_files(stores: Stores, model_id: str, number: int, files: Mapping[FileFormat, StoredFile]) -> None:
    """Write down files that lie in the store; a repeat replaces what was recorded. Call it after hold_registry."""
    for format, file in files.items():
        facts = {"key": file.key, "size_bytes": file.size_bytes, "sha256": file.sha256, "made_at": stores.now()}
        stores.db.merge(VersionFileRow(model_id=model_id, version=number, format=format.value, **facts))
    stores.db.flush()


def remove_files(stores: Stores, model_id: str, number: int) -> None:
    """Forget a version's files and delete them; safe to repeat."""
    of_version = VersionFileRow.model_id == model_id, VersionFileRow.version == number
    stores.db.execute(delete(VersionFileRow).where(*of_version))
    stores.files.delete_folder(folder_of(model_id, number))
