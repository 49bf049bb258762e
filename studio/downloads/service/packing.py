"""Zips of a version's MLflow folder: as it is, and with what builds a scoring image of it.

The same folder always gives the same bytes, so that two who ask at once do not disturb each other.
"""

import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from studio.backends.files.port import StoredFile
from studio.backends.files.work_folder import work_folder
from studio.backends.mlflow.digests import check_digest
from studio.backends.stores import Stores
from studio.domain.versions import FileFormat, ModelVersion
from studio.downloads.service.scoring_image import dockerfile, ignored, read_me
from studio.errors import BadKey, FileMissing
from studio.versions import service as versions

LIMIT_BYTES = 1 << 30  # of a folder: it is copied and packed while its caller waits
LEVEL = 1  # of compression: models are large, and the caller waits
CHUNK_BYTES = 1 << 20
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # what a zip can say at least
DEFAULT_PYTHON = "3.11"
PIN = re.compile(r"[A-Za-z0-9][\w.-]*(\[[\w,. -]+\])?==[\w.+!]+", re.ASCII)


def list_packable(stores: Stores, name: str, version: ModelVersion) -> list[FileFormat]:
    """Which zips can be made of a version.

    Args:
        stores: Open stores.
        name: Name of the model.
        version: One of its versions.
    """
    try:
        sizes = dict(stores.registry.list_model_files(name, version.number))
    except (BadKey, FileMissing):  # an MLflow client may register a version of nothing
        return []
    if "MLmodel" not in sizes or sum(size or 0 for size in sizes.values()) > LIMIT_BYTES:
        return []
    schema = stores.registry.read_schema(name, version.number)
    is_servable = "python_function" in schema.flavors and "requirements.txt" in sizes
    if is_servable and _is_pinned(stores.registry.read_model_file(name, version.number, "requirements.txt")):
        return [FileFormat.MLFLOW, FileFormat.DOCKER_CONTEXT]
    return [FileFormat.MLFLOW]


def pack(stores: Stores, model_id: str, name: str, version: ModelVersion, format: FileFormat) -> StoredFile:
    """Make one of the zips that list_packable names, and put it into the file store; safe to repeat.

    Raises:
        ModelFilesChanged: The version's folder is not what was registered.
        FileMissing: It was deleted meanwhile.
    """
    version = versions.ensure_digest(stores, name, version)
    with work_folder(stores.config.data_folder / "packing") as work:
        folder = stores.registry.fetch_model(name, version.number, work / "model")
        if version.digest is not None:
            check_digest(folder, version.digest)
        packed = work / versions.NAMES[format]
        if format is FileFormat.MLFLOW:
            _write_zip(packed, _files_below(folder, ""), {})
        else:
            _write_zip(packed, _files_below(folder, "model/"), _image_files(folder, model_id, version))
        return stores.files.put_path(versions.file_key(model_id, version.number, format), packed)


def _image_files(folder: Path, model_id: str, version: ModelVersion) -> dict[str, str]:
    return {
        ".dockerignore": ignored(),
        "Dockerfile": dockerfile(_python_of(folder / "python_env.yaml")),
        "README.md": read_me(model_id, version.id),
        "requirements.txt": (folder / "requirements.txt").read_text(),
    }


def _python_of(file: Path) -> str:
    """Major and minor version of the Python a model was made with; whoever wrote the file, nothing else passes."""
    content: Any = yaml.safe_load(file.read_bytes()) if file.is_file() else None
    told = str(content.get("python", "")) if isinstance(content, dict) else ""
    found = re.fullmatch(r"(3\.\d{1,2})(\.\d{1,3})?", told, re.ASCII)
    return found[1] if found else DEFAULT_PYTHON


def _is_pinned(requirements: bytes) -> bool:
    """Whether every line names one version of one package, so that building takes nothing from elsewhere."""
    try:
        lines = [line.strip() for line in requirements.decode().splitlines()]
    except UnicodeDecodeError:
        return False
    wanted = [line for line in lines if line and not line.startswith("#")]
    return bool(wanted) and all(PIN.fullmatch(line) for line in wanted)


def _files_below(folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield f"{prefix}{path.relative_to(folder).as_posix()}", path


def _write_zip(target: Path, files: Iterator[tuple[str, Path]], texts: dict[str, str]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        for name, text in sorted(texts.items()):
            archive.writestr(_entry(name), text, compresslevel=LEVEL)
        for name, path in files:
            with path.open("rb") as source, archive.open(_entry(name), "w", force_zip64=True) as sink:
                shutil.copyfileobj(source, sink, CHUNK_BYTES)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, LONG_AGO)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o100644 << 16
    return entry
