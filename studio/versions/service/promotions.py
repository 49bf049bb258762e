"""Changes which version is in production, and keeps the history of it."""

from dataclasses import asdict

from sqlalchemy import func, select

from studio.backends.stores import Stores
from studio.domain.model_records import ModelStatus
from studio.domain.versions import (
    Gate,
    PromotionSource,
    VersionRecord,
    VersionStatus,
    version_id_of,
)
from studio.errors import ModelArchived, VersionNotReady
from studio.models import service as models
from studio.versions.service.gates import check_gate
from studio.versions.service.marks import find_mark, hold_registry
from studio.versions.service.reading import find_version, get_version, record_of
from studio.versions.tables import PromotionRow


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
    promotion and before the own rows were kept leaves it done; the worker then records it as found in MLflow.

    Args:
        stores: Open stores of the current request or job.
        model_id: Id of the model.
        version_id: Id of the version.
        reason: Why, for the history and the audit.
        gate: What the version must reach first; None lets every ready version through.

    Returns:
        The version as it stands after the promotion.

    Raises:
        VersionNotFound: The model has no such version.
        ModelArchived: The model is archived.
        VersionNotReady: Its training or upload has not finished.
        UnknownMetric: It has no test metric of the gate's name.
        GateFailed: It misses the gate; carries every check that was made.
    """
    model = models.get_model(stores, model_id)
    hold_registry(stores, model_id)
    version = find_version(stores, model_id, version_id)
    if model.status is ModelStatus.ARCHIVED:
        raise ModelArchived(f"{model.name!r} is archived; unarchive it first.")
    if version.status is not VersionStatus.READY:
        raise VersionNotReady(version_id, version.status)
    entry = stores.registry.find_entry(model.name)
    previous = None if entry.promoted is None else version_id_of(entry.promoted)
    if gate is not None:
        rival = None if previous in (None, version_id) else find_version(stores, model_id, str(previous))
        check_gate(gate, version, rival)
    if previous == version_id:
        return record_of(stores, model_id, version)
    models.refresh_versions(
        stores, model_id, highest=entry.newest or version.number, promoted_version_id=version_id,
        metrics=version.metrics, has_ready_version=True,
    )  # fmt: skip
    source = PromotionSource.API
    add_promotion(stores, model_id, version.number, by=stores.actor.user_id, reason=reason, source=source)
    stores.record_change(
        model_id, previous_version_id=previous, new_version_id=version_id, reason=reason,
        gate=asdict(gate) if gate else None,
    )  # fmt: skip
    stores.registry.set_promoted(model.name, version.number)
    return get_version(stores, model_id, version_id)


def add_promotion(
    stores: Stores,
    model_id: str,
    version: int | None,
    *,
    by: str | None,
    reason: str | None,
    source: PromotionSource,
) -> None:
    """Write a promotion into the history, and into what is known of the registry.

    Args:
        stores: Open stores that hold the model's registry (hold_registry).
        model_id: Id of the model.
        version: Number of the version; None where the place was emptied.
        by: Who did it, None where nobody knows.
        reason: Why.
        source: Through which door it came.
    """
    newest = select(func.max(PromotionRow.number)).where(PromotionRow.model_id == model_id)
    number = (stores.db.scalar(newest) or 0) + 1
    facts = {"promoted_at": stores.now(), "by": by, "reason": reason, "source": str(source)}
    stores.db.add(PromotionRow(model_id=model_id, number=number, version=version, **facts))
    find_mark(stores, model_id).promoted = version
    stores.db.flush()
