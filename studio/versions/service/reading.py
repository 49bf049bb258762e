"""Reads versions of a model."""

from dataclasses import dataclass

from sqlalchemy import select

from studio.backends.stores import Stores
from studio.domain.pages import Page
from studio.domain.versions import (
    ModelVersion,
    Promotion,
    PromotionSource,
    VersionFiles,
    VersionRecord,
    VersionStatus,
    version_number_of,
)
from studio.errors import VersionNotFound
from studio.models import service as models
from studio.versions.tables import PromotionRow


@dataclass(frozen=True)
class VersionFilter:
    """Which versions are listed, and in which order.

    Attributes:
        status: None for all.
        sort_by: ``version_number``, ``trained_at`` or ``status``; equal ones are ordered by number.
    """

    status: VersionStatus | None = None
    sort_by: str = "version_number"
    descending: bool = True


def list_versions(stores: Stores, model_id: str, wanted: VersionFilter, *, page: int, page_size: int) -> Page:
    """One page of the versions of a model. Items are VersionRecords without files and promotion.

    Raises:
        ModelNotFound: There is no such model.
    """
    found = [
        version
        for version in stores.registry.list_versions(models.get_model(stores, model_id).name)
        if wanted.status in (None, version.status)
    ]
    column = {"version_number": "number", "trained_at": "created_at", "status": "status"}[wanted.sort_by]
    found.sort(key=lambda version: (getattr(version, column), version.number), reverse=wanted.descending)
    shown = found[(page - 1) * page_size : page * page_size]
    records = [VersionRecord(model_id, version, VersionFiles(None, None, None), None) for version in shown]
    return Page(len(found), page, page_size, records)


def get_version(stores: Stores, model_id: str, version_id: str) -> VersionRecord:
    """One version of a model, with its files and its latest promotion.

    Raises:
        ModelNotFound: There is no such model.
        VersionNotFound: The model has no such version.
    """
    return record_of(stores, model_id, find_version(stores, model_id, version_id))


def find_version(stores: Stores, model_id: str, version_id: str) -> ModelVersion:
    """One version of a model, as the registry knows it; raises as get_version does."""
    number = version_number_of(version_id)
    name = models.get_model(stores, model_id).name
    if number is None:
        raise VersionNotFound(version_id)
    return stores.registry.get_version(name, number)


def find_promoted(stores: Stores, model_id: str) -> ModelVersion | None:
    """The version in production, None where there is none.

    Raises:
        ModelNotFound: There is no such model.
    """
    name = models.get_model(stores, model_id).name
    number = stores.registry.find_promoted(name)
    return None if number is None else stores.registry.get_version(name, number)


def has_ready_version(stores: Stores, model_id: str) -> bool:
    """Whether any version of a model is ready.

    Raises:
        ModelNotFound: There is no such model.
    """
    versions = stores.registry.list_versions(models.get_model(stores, model_id).name)
    return any(version.status is VersionStatus.READY for version in versions)


def has_version(stores: Stores, model_id: str) -> bool:
    """Whether a model has any version, whatever its state.

    Raises:
        ModelNotFound: There is no such model.
    """
    return bool(stores.registry.list_versions(models.get_model(stores, model_id).name))


def record_of(stores: Stores, model_id: str, version: ModelVersion) -> VersionRecord:
    """A version with its files and its latest promotion."""
    files = VersionFiles(
        _find_file(stores, model_file_key(model_id, version.number)),
        _find_file(stores, f"{folder_of(model_id, version.number)}/model.onnx"),
        version.onnx,
    )
    query = select(PromotionRow).where(PromotionRow.model_id == model_id, PromotionRow.version == version.number)
    row = stores.db.scalars(query.order_by(PromotionRow.number.desc()).limit(1)).first()
    return VersionRecord(model_id, version, files, promotion_of(row) if row else None)


def promotion_of(row: PromotionRow) -> Promotion:
    """The promotion a row stands for."""
    return Promotion(row.number, row.version, row.promoted_at, row.by, row.reason, PromotionSource(row.source))


def model_file_key(model_id: str, number: int) -> str:
    """Key of a version's pickled estimator in the file store."""
    return f"{folder_of(model_id, number)}/model.pkl"


def list_model_files(stores: Stores, model_id: str) -> dict[int, str]:
    """Addresses of the pickled estimators of a model's versions, by version number, for those that have one."""
    found = {}
    for key in stores.files.list_keys(model_id):
        folder, _, name = key.removeprefix(f"{model_id}/").partition("/")
        if name == "model.pkl" and folder[:1] == "v" and folder[1:].isdecimal():
            found[int(folder[1:])] = stores.files.uri_of(key)
    return found


def folder_of(model_id: str, number: int) -> str:
    """Where a version's files lie in the file store."""
    return f"{model_id}/v{number}"


def _find_file(stores: Stores, key: str) -> str | None:
    return stores.files.uri_of(key) if stores.files.exists(key) else None
