"""How a model's state follows its runs and versions. Called by the rooms above, never by a view."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from studio.backends.stores import Stores
from studio.domain.model_records import ModelStatus
from studio.models.service.rows import find_row, refuse_archived, touch
from studio.models.tables import ModelRow


def begin_training(stores: Stores, model_id: str) -> None:
    """A run was accepted: the model is training.

    Raises:
        ModelArchived: It is archived.
    """
    row = find_row(stores, model_id, lock=True)
    refuse_archived(row)
    row.status = ModelStatus.TRAINING
    touch(row, stores.now())


def note_sharing(stores: Stores, model_id: str) -> None:
    """The model's collaborators change: others that change them wait until this transaction ends.

    Raises:
        ModelNotFound: There is no such model.
    """
    touch(find_row(stores, model_id, lock=True), stores.now())


def lock_model(stores: Stores, model_id: str) -> None:
    """Make others that change the model wait until this transaction ends. Raises ModelNotFound."""
    find_row(stores, model_id, lock=True)


def lock_for_change(stores: Stores, model_id: str) -> None:
    """Lock a model whose further parts are to change.

    Raises:
        ModelNotFound: There is no such model.
        ModelArchived: It is archived.
    """
    refuse_archived(find_row(stores, model_id, lock=True))


def end_training(stores: Stores, model_id: str, *, failed: bool, has_ready_version: bool) -> None:
    """A run ended: ``ready`` where a ready version exists, else ``failed`` or ``draft``; safe to repeat."""
    row = find_row(stores, model_id, lock=True)
    if row.status != ModelStatus.TRAINING:
        return
    without = ModelStatus.FAILED if failed else ModelStatus.DRAFT
    row.status = ModelStatus.READY if has_ready_version else without
    touch(row, stores.now())


def refresh_versions(
    stores: Stores,
    model_id: str,
    *,
    highest: int,
    promoted_version_id: str | None,
    metrics: Mapping[str, Any],
    has_ready_version: bool,
) -> bool:
    """Carry over to the row what a list shows of a model's versions; safe to repeat.

    Args:
        stores: Open stores.
        model_id: Id of the model.
        highest: Highest version number there is, 0 for none.
        promoted_version_id: The production version.
        metrics: Test metrics of the promoted version, else of the newest ready one.
        has_ready_version: Whether any version is ready.

    Returns:
        True when anything changed.
    """
    row = find_row(stores, model_id, lock=True)
    fresh = {
        "version": max(highest, 1),
        "promoted_version_id": promoted_version_id,
        "metrics": dict(metrics),
        "status": _status_after(row, has_ready_version),
    }
    changed = {name: value for name, value in fresh.items() if getattr(row, name) != value}
    for name, value in changed.items():
        setattr(row, name, value)
    if changed:
        touch(row, stores.now())
    return bool(changed)


def find_promotions(db: Session, model_ids: Iterable[str]) -> dict[str, str | None]:
    """Ids of the versions in production as far as is known, by the ids of those of the models that are there."""
    query = select(ModelRow.id, ModelRow.promoted_version_id).where(ModelRow.id.in_(list(model_ids)))
    return {row.id: row.promoted_version_id for row in db.execute(query)}


def _status_after(row: ModelRow, has_ready_version: bool) -> str:
    if has_ready_version and row.status in (ModelStatus.DRAFT, ModelStatus.FAILED):
        return ModelStatus.READY
    if not has_ready_version and row.status == ModelStatus.READY:
        return ModelStatus.DRAFT
    return row.status
