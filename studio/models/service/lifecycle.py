"""Puts models away, takes them back, and copies them."""

from studio.backends.stores import Stores
from studio.collaborators import service as collaborators
from studio.datasets import service as datasets
from studio.domain.model_records import Model, ModelStatus
from studio.domain.permissions import Role
from studio.domain.versions import VersionStatus
from studio.errors import AlreadyArchived, NotArchived
from studio.models.service.records import add_row
from studio.models.service.removal import refuse_removal
from studio.models.service.rows import find_row, new_row, record_of, refuse_training, set_tags, touch


def archive_model(stores: Stores, model_id: str) -> Model:
    """Put a model away: nothing of it is lost, and until it is taken back nothing new comes of it.

    Raises:
        AlreadyArchived: It is archived.
        ModelTraining: It is training.
        Conflict: Something else forbids it, such as an active deployment.
    """
    row = find_row(stores, model_id, lock=True)
    if row.status == ModelStatus.ARCHIVED:
        raise AlreadyArchived(f"{row.name!r} is archived already.")
    refuse_training(row)
    refuse_removal(stores, model_id)
    stores.record_change(model_id, previous_status=row.status, new_status=ModelStatus.ARCHIVED)
    row.status, row.archived_at = str(ModelStatus.ARCHIVED), stores.now()
    touch(row, stores.now())
    return record_of(stores, row)


def unarchive_model(stores: Stores, model_id: str) -> Model:
    """Take an archived model back: ``ready`` where it has a ready version, else ``draft``.

    Raises:
        NotArchived: It is not archived.
    """
    row = find_row(stores, model_id, lock=True)
    if row.status != ModelStatus.ARCHIVED:
        raise NotArchived(f"{row.name!r} is {row.status}, not archived.")
    versions = stores.registry.list_versions(row.name)
    is_ready = any(version.status is VersionStatus.READY for version in versions)
    row.status, row.archived_at = str(ModelStatus.READY if is_ready else ModelStatus.DRAFT), None
    stores.record_change(model_id, previous_status=ModelStatus.ARCHIVED, new_status=row.status)
    touch(row, stores.now())
    return record_of(stores, row)


def duplicate_model(stores: Stores, model_id: str, *, name: str, description: str | None = None) -> Model:
    """Make a draft that learns the same from the same dataset, owned by the caller.

    Type, task, own configuration, tags and dataset link are copied; versions, runs, settings, collaborators and
    audit entries are not. The link is not validated again.

    Args:
        stores: Open stores.
        model_id: Id of the source.
        name: Name of the copy.
        description: Its description, None for the source's.

    Raises:
        NameTaken: The organization has a model of that name.
    """
    source = find_row(stores, model_id)
    text = source.description if description is None else description
    row = new_row(
        stores, name=name, description=text, model_type=source.model_type, task_type=source.task_type,
        config=source.config, source_model_id=source.id,
    )  # fmt: skip
    add_row(stores, row)
    set_tags(stores.db, row, [tag.tag for tag in source.tags])
    collaborators.grant_role(stores, row.id, row.created_by, Role.OWNER)
    link = datasets.find_link(stores, source.id)
    if link is not None:
        datasets.link_dataset(stores, row.id, link.dataset_id)
    stores.record_change(source.id, source_model_id=source.id, new_model_id=row.id, name=name)
    model = record_of(stores, row)
    stores.registry.create_model(name, model_id=row.id)
    return model
