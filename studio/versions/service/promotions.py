"""Changes which version is in production."""

from dataclasses import asdict
from typing import Any

from studio.backends.mlflow.entries import RegistryEntry
from studio.backends.stores import Stores
from studio.domain.model_records import ModelStatus
from studio.domain.versions import (
    Gate,
    ModelVersion,
    PromotionSource,
    VersionRecord,
    VersionStatus,
    version_id_of,
)
from studio.errors import ModelArchived, NoPreviousVersion, VersionNotReady
from studio.models import service as models
from studio.versions.service.gates import check_gate
from studio.versions.service.history import add_promotion, find_previous
from studio.versions.service.marks import find_known_promotion, hold_registry
from studio.versions.service.reading import find_version, get_version, record_of
from studio.versions.service.reconciling import reconcile_model


def promote_version(
    stores: Stores,
    model_id: str,
    version_id: str,
    *,
    reason: str | None = None,
    gate: Gate | None = None,
) -> VersionRecord:
    """Make one version the production version, taking the place from whichever held it.

    Safe to repeat: promoting the production version again changes nothing. A crash after MLflow took the
    promotion and before the own rows were kept leaves it done; the worker, or the repeat, then records it as found
    in MLflow.

    Args:
        stores: Open stores of the current request or job.
        model_id: Id of the model.
        version_id: Id of the version.
        reason: Why, for the history and the audit.
        gate: What the version must reach first; None lets every ready version through.

    Returns:
        The version as it stands after the promotion.

    Raises:
        ModelNotFound: There is no such model.
        VersionNotFound: The model has no such version.
        ModelArchived: The model is archived.
        VersionNotReady: Its training or upload has not finished.
        UnknownMetric: It has no test metric of the gate's name.
        GateFailed: It misses the gate; carries every check that was made.
    """
    hold_registry(stores, model_id)
    version = find_version(stores, model_id, version_id)
    _refuse_archived(stores, model_id)
    if version.status is not VersionStatus.READY:
        raise VersionNotReady(version_id, version.status)
    entry = _find_entry(stores, model_id)
    if gate is not None:
        held = None if entry.promoted == version.number else entry.promoted
        rival = None if held is None else find_version(stores, model_id, version_id_of(held))
        check_gate(gate, version, rival)
    if entry.promoted == version.number:
        return record_of(stores, model_id, find_version(stores, model_id, version_id))
    details = {"reason": reason, "gate": asdict(gate) if gate else None}
    return _promote(stores, model_id, version, entry, PromotionSource.API, details)


def rollback_promotion(stores: Stores, model_id: str, *, reason: str | None = None) -> VersionRecord:
    """Promote the version that was in production before the present one; two in a row end where they began.

    Deleted versions, and those that are not ready any more, are skipped. Where the place is empty, the version that
    held it last gets it back.

    Args:
        stores: Open stores of the current request or job.
        model_id: Id of the model.
        reason: Why, for the history and the audit.

    Returns:
        The version as it stands after the promotion.

    Raises:
        ModelNotFound: There is no such model.
        ModelArchived: The model is archived.
        NoPreviousVersion: No other version that was in production is there and ready.
    """
    hold_registry(stores, model_id)
    _refuse_archived(stores, model_id)
    entry = _find_entry(stores, model_id)
    versions = stores.registry.list_versions(entry.name)
    ready = {version.number: version for version in versions if version.status is VersionStatus.READY}
    number = find_previous(stores, model_id, entry.promoted, ready)
    if number is None:
        raise NoPreviousVersion("No other ready version was in production before; promote one instead.")
    details = {"reason": reason, "gate": None, "rollback": True}
    return _promote(stores, model_id, ready[number], entry, PromotionSource.ROLLBACK, details)


def _refuse_archived(stores: Stores, model_id: str) -> None:
    model = models.get_model(stores, model_id)
    if model.status is ModelStatus.ARCHIVED:
        raise ModelArchived(f"{model.name!r} is archived; unarchive it first.")


def _find_entry(stores: Stores, model_id: str) -> RegistryEntry:
    """The registry entry; a promotion of an MLflow client that nobody has noted yet comes into the history first."""
    entry = stores.registry.find_entry(models.get_model(stores, model_id).name)
    if entry.promoted != find_known_promotion(stores, model_id):
        reconcile_model(stores, model_id)
    return entry


def _promote(
    stores: Stores,
    model_id: str,
    version: ModelVersion,
    entry: RegistryEntry,
    source: PromotionSource,
    details: dict[str, Any],
) -> VersionRecord:
    models.refresh_versions(
        stores, model_id, highest=entry.newest or version.number, promoted_version_id=version.id,
        metrics=version.metrics, has_ready_version=True,
    )  # fmt: skip
    by, reason = stores.actor.user_id, details["reason"]
    add_promotion(stores, model_id, version.number, by=by, reason=reason, source=source)
    previous = None if entry.promoted is None else version_id_of(entry.promoted)
    stores.record_change(model_id, previous_version_id=previous, new_version_id=version.id, **details)
    stores.registry.set_promoted(entry.name, version.number)
    return get_version(stores, model_id, version.id)
