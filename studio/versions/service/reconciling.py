"""Takes up what MLflow clients have done to a model's versions, and audits it.

Whatever the API does itself is in the own rows before MLflow hears of it, or is recognizable by who trained
it; what MLflow holds beyond that came from an MLflow client.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import select

from studio.audit import service as audit
from studio.backends.mlflow.entries import RegistryEntry
from studio.backends.stores import Stores
from studio.domain.actors import mlflow_actor
from studio.domain.versions import MLFLOW_CLIENT, ModelVersion, PromotionSource, version_id_of
from studio.errors import ModelNotFound
from studio.models import service as models
from studio.versions.service.digests import take_digests
from studio.versions.service.files import remove_files
from studio.versions.service.history import add_promotion
from studio.versions.service.marks import find_mark, hold_registry
from studio.versions.service.registration import refresh_model
from studio.versions.tables import RegistryMarkRow


def reconcile(stores: Stores, entries: Iterable[RegistryEntry]) -> int:
    """Take up every change of an organization's registry; called by the worker every few seconds.

    Args:
        stores: Stores opened for reading: models that changed get a transaction of their own.
        entries: What the registry holds now.

    Returns:
        How many models had changed.
    """
    query = select(RegistryMarkRow).where(RegistryMarkRow.organization == stores.organization)
    marks = {row.model_id: row for row in stores.db.scalars(query)}
    changed = 0
    for entry in entries:
        mark = None if entry.model_id is None else marks.get(entry.model_id)
        if entry.model_id is None or not _is_stale(entry, mark):
            continue
        take_digests(stores, entry.name, known=mark.versions if mark else ())  # before the lock: files may be large
        try:
            with stores.open_apart(write=True) as apart:
                changed += reconcile_model(apart, entry.model_id)
        except ModelNotFound:
            continue  # deleted or renamed at this moment, or a leftover that others clear away
    return changed


def reconcile_model(stores: Stores, model_id: str) -> bool:
    """Take up which versions MLflow clients registered, deleted, or promoted by alias or by stage.

    A promotion is afterwards both alias and stage, whichever the client moved; files of deleted versions are removed.
    Safe to repeat; a crash before the end leaves nothing but, at worst, the alias of a staged version, which
    the repeat takes up as a promotion by alias.

    Args:
        stores: Open writing stores.
        model_id: Id of the model.

    Returns:
        True when a client had done anything.

    Raises:
        ModelNotFound: The model is gone, from our rows or from MLflow.
    """
    name = models.get_model(stores, model_id).name
    hold_registry(stores, model_id)
    entry = stores.registry.find_entry(name)
    versions = stores.registry.list_versions(name)
    staged = stores.registry.list_staged(name)
    mark = find_mark(stores, model_id)
    promoted = _promoted_now(entry, staged, mark)
    # First, because it locks the model's row, which the rows below refer to.
    refresh_model(stores, model_id, versions, promoted)
    changed = _take_up_versions(stores, mark, versions)
    mark.staged, mark.updated_at = next(iter(staged), None), entry.updated_at
    if _take_up_promotion(stores, mark, promoted):
        changed = True
        _align(stores, name, promoted)
    stores.db.flush()
    return changed


def _is_stale(entry: RegistryEntry, mark: RegistryMarkRow | None) -> bool:
    if mark is None:
        return entry.newest is not None
    return mark.updated_at != entry.updated_at or mark.promoted != entry.promoted


def _promoted_now(entry: RegistryEntry, staged: Sequence[int], mark: RegistryMarkRow) -> int | None:
    """The alias; but a version new in the old stage, where the alias has not moved as well."""
    newly_staged = [number for number in staged if number != mark.staged]
    return newly_staged[0] if newly_staged and entry.promoted == mark.promoted else entry.promoted


def _align(stores: Stores, name: str, promoted: int | None) -> None:
    """Let alias and stage say the same, whichever of them the client moved."""
    if promoted is None:
        stores.registry.clear_promoted(name)
    else:
        stores.registry.set_promoted(name, promoted)


def _take_up_versions(stores: Stores, mark: RegistryMarkRow, versions: Sequence[ModelVersion]) -> bool:
    known, present = set(mark.versions), {version.number: version for version in versions}
    fresh = [present[number] for number in sorted(present.keys() - known)]
    external = [version for version in fresh if version.is_external]
    gone = sorted(known - present.keys())
    for version in external:
        details = {"version_id": version.id, "mlflow_run_id": version.mlflow_run_id}
        _audit(stores, mark.model_id, "model.version_registered", **details)
    for number in gone:
        _audit(stores, mark.model_id, "model.version_deleted", version_id=version_id_of(number))
        remove_files(stores, mark.model_id, number)
    mark.versions = sorted(present)
    return bool(external or gone)


def _take_up_promotion(stores: Stores, mark: RegistryMarkRow, promoted: int | None) -> bool:
    if promoted == mark.promoted:
        return False
    previous = mark.promoted
    add_promotion(stores, mark.model_id, promoted, by=MLFLOW_CLIENT, reason=None, source=PromotionSource.MLFLOW)
    _audit(
        stores, mark.model_id, "model.version_promoted",
        previous_version_id=None if previous is None else version_id_of(previous),
        new_version_id=None if promoted is None else version_id_of(promoted),
        reason=None, gate=None,
    )  # fmt: skip
    return True


def _audit(stores: Stores, model_id: str, action: str, **details: object) -> None:
    actor = mlflow_actor(stores.organization)
    audit.append_entry(stores, action, model_id=model_id, details=details, actor=actor)
