"""Changes what people say of a version, and removes versions."""

from collections.abc import Mapping
from typing import Any

from studio.backends.stores import Stores
from studio.domain.versions import VersionRecord
from studio.errors import VersionPromoted
from studio.models import service as models
from studio.versions.service.files import remove_files
from studio.versions.service.marks import find_mark, hold_registry
from studio.versions.service.reading import find_version, get_version
from studio.versions.service.registration import refresh_model
from studio.versions.service.uses import refuse_in_use


def update_version(stores: Stores, model_id: str, version_id: str, changes: Mapping[str, Any]) -> VersionRecord:
    """Change a version's description or tags in the registry; what is not named stays. Safe to repeat.

    Args:
        stores: Open stores.
        model_id: Id of the model.
        version_id: Id of the version.
        changes: Any of ``description`` and ``tags`` (the whole map).

    Raises:
        ModelNotFound: There is no such model.
        VersionNotFound: The model has no such version.
        InvalidInput: A tag's key is reserved, or one MLflow does not take.
    """
    hold_registry(stores, model_id)
    version = find_version(stores, model_id, version_id)
    old = {"description": version.description, "tags": dict(version.tags)}
    changed = {name: value for name, value in changes.items() if old[name] != value}
    if changed:
        details = {name: {"previous": old[name], "new": value} for name, value in changed.items()}
        stores.record_change(model_id, version_id=version_id, changes=details)
        name = models.get_model(stores, model_id).name
        stores.registry.update_version(name, version.number, **changed)
    return get_version(stores, model_id, version_id)


def delete_version(stores: Stores, model_id: str, version_id: str) -> None:
    """Remove a version with its files; its number is never given again, and the history keeps its promotions.

    A crash after MLflow removed it leaves it removed; the worker then clears away its files and records it as found
    in MLflow.

    Raises:
        ModelNotFound: There is no such model.
        VersionNotFound: The model has no such version.
        VersionPromoted: It is in production.
        VersionDeployed: An active deployment serves it.
        RunInProgress: A run is still making it.
    """
    hold_registry(stores, model_id)
    version = find_version(stores, model_id, version_id)
    if version.is_promoted:
        raise VersionPromoted(f"Version {version_id} is in production; promote another one first.")
    refuse_in_use(stores, model_id, version.number)
    name = models.get_model(stores, model_id).name
    left = [other for other in stores.registry.list_versions(name) if other.number != version.number]
    promoted = next((other.number for other in left if other.is_promoted), None)
    refresh_model(stores, model_id, left, promoted)  # locks the model's row, which the mark refers to
    mark = find_mark(stores, model_id)
    mark.versions = [number for number in mark.versions if number != version.number]
    stores.record_change(
        model_id, version_id=version_id, algorithm=version.algorithm, run_id=version.run_id,
        description=version.description,
    )  # fmt: skip
    stores.db.flush()
    stores.registry.delete_version(name, version.number)
    remove_files(stores, model_id, version.number)
