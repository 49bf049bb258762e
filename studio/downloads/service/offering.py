"""Answers which file a version can be had as, and makes the link to it."""

from dataclasses import dataclass
from datetime import datetime

from studio.backends.files.port import StoredFile
from studio.backends.stores import Stores
from studio.domain.versions import FileFormat, ModelVersion, VersionStatus
from studio.downloads.service.links import link_to
from studio.downloads.service.measuring import measure
from studio.downloads.service.packing import list_packable, pack
from studio.errors import FileMissing, FormatNotAvailable, NothingPromoted, VersionNotFound
from studio.models import service as models
from studio.versions import service as versions

PACKED = (FileFormat.MLFLOW, FileFormat.DOCKER_CONTEXT)


@dataclass(frozen=True)
class DownloadLink:
    """A link to a model file.

    Attributes:
        download_url: Hands the file out to whoever has it.
        sha256: Hex digest of the file.
    """

    model_id: str
    version_id: str
    format: FileFormat
    download_url: str
    expires_at: datetime
    file_size_bytes: int
    sha256: str


def create_link(
    stores: Stores, model_id: str, *, version_id: str | None, format: FileFormat, lifetime_s: int
) -> DownloadLink:
    """A link to a version's file, which is made first where it can be and is not there yet.

    Args:
        stores: Open writing stores with nothing written yet: a zip is packed before the first statement, so that
            SQLite's write lock is not held meanwhile.
        model_id: Id of the model.
        version_id: Id of the version, None for the promoted one.
        format: What to have it as.
        lifetime_s: Seconds the link works, 1..86400.

    Raises:
        ModelNotFound: There is no such model.
        VersionNotFound: It has no such version.
        NothingPromoted: No version is asked for and none is promoted.
        FormatNotAvailable: The version cannot be had as that; says as what it can.
        ModelFilesChanged: Its folder is not what was registered.
    """
    with stores.open_apart(write=False) as reading:
        version = _choose_version(reading, model_id, version_id)
        name = models.get_model(reading, model_id).name
        known = versions.list_files(reading, model_id, version.number)
        fresh = {} if FileFormat.PKL in known else measure(reading, model_id, version)
    had = known | fresh
    kept_as = FileFormat.PKL if format is FileFormat.JOBLIB else format
    if kept_as not in had and kept_as in PACKED:
        fresh |= _pack(stores, model_id, name, version, kept_as)
        had |= fresh
    if kept_as not in had:
        available, reason = _available(stores, name, version, had), _reason(version, format)
        raise FormatNotAvailable(version.id, format, available, reason=reason)
    _record(stores, model_id, version, fresh)
    stores.record_change(model_id, version_id=version.id, format=format, expires_in=lifetime_s)
    return _link(stores, model_id, version, format, had[kept_as], lifetime_s)


def _choose_version(stores: Stores, model_id: str, version_id: str | None) -> ModelVersion:
    if version_id is not None:
        return versions.find_version(stores, model_id, version_id)
    promoted = versions.find_promoted(stores, model_id)
    if promoted is None:
        raise NothingPromoted("No version is promoted; promote one, or name one with version_id.")
    return promoted


def _pack(
    stores: Stores, model_id: str, name: str, version: ModelVersion, format: FileFormat
) -> dict[FileFormat, StoredFile]:
    if version.status is not VersionStatus.READY or format not in list_packable(stores, name, version):
        return {}
    try:
        return {format: pack(stores, model_id, name, version, format)}
    except FileMissing:  # deleted meanwhile
        return {}


def _available(stores: Stores, name: str, version: ModelVersion, had: dict[FileFormat, StoredFile]) -> list[str]:
    found = set(had)
    if FileFormat.PKL in found:
        found.add(FileFormat.JOBLIB)
    if version.status is VersionStatus.READY:
        found |= set(list_packable(stores, name, version))
    return [format.value for format in FileFormat if format in found]


def _reason(version: ModelVersion, format: FileFormat) -> str | None:
    """Why a version has no file of a format, where that is known."""
    if format is not FileFormat.ONNX or version.run_id is None:
        return None
    if version.onnx is None:
        return "its training was not asked for one, with export_onnx"
    return version.onnx.reason


def _record(stores: Stores, model_id: str, version: ModelVersion, fresh: dict[FileFormat, StoredFile]) -> None:
    if not fresh:
        return
    versions.hold_registry(stores, model_id)
    try:
        versions.find_version(stores, model_id, version.id)
    except VersionNotFound:  # deleted while its zip was packed
        for file in fresh.values():
            stores.files.delete(file.key)
        raise
    versions.record_files(stores, model_id, version.number, fresh)


def _link(
    stores: Stores, model_id: str, version: ModelVersion, format: FileFormat, file: StoredFile, lifetime_s: int
) -> DownloadLink:
    ending = {FileFormat.MLFLOW: "-mlflow.zip", FileFormat.DOCKER_CONTEXT: "-docker-context.zip"}
    filename = f"{model_id}-v{version.number}{ending.get(format, f'.{format}')}"
    link = link_to(stores, file, filename=filename, lifetime_s=lifetime_s)
    return DownloadLink(model_id, version.id, format, link.url, link.expires_at, file.size_bytes, file.sha256)
