"""Links a model to the dataset it learns from."""

from studio.backends.stores import Stores
from studio.datasets import service as datasets
from studio.domain.datasets import DatasetLink
from studio.errors import DatasetNotLinked
from studio.models.service.checks import check_schema
from studio.models.service.rows import find_row, record_of, refuse_archived, refuse_training, touch


def link_dataset(stores: Stores, model_id: str, dataset_id: str, *, validate_schema: bool = True) -> DatasetLink:
    """Make a dataset the one a model learns from, in place of the one it had. A run in progress keeps its own.

    Args:
        stores: Open stores.
        model_id: Id of the model.
        dataset_id: Id of the dataset, of the same organization.
        validate_schema: Whether the dataset must have the configured target and features.

    Raises:
        ModelArchived: The model is archived.
        DatasetNotFound: The organization has no such dataset.
        SchemaMismatch: The dataset lacks a column; raised only when validating.
    """
    row = find_row(stores, model_id, lock=True)
    refuse_archived(row)
    link = datasets.link_dataset(stores, model_id, dataset_id)
    if validate_schema:
        check_schema(record_of(stores, row).config, link, at="/config")
    touch(row, stores.now())
    stores.record_change(model_id, model_id=model_id, dataset_id=dataset_id)
    return link


def unlink_dataset(stores: Stores, model_id: str) -> None:
    """Remove a model's link.

    Raises:
        ModelArchived: The model is archived.
        ModelTraining: It is training.
        DatasetNotLinked: It has none.
    """
    row = find_row(stores, model_id, lock=True)
    refuse_archived(row)
    refuse_training(row)
    link = datasets.find_link(stores, model_id)
    if link is None:
        raise DatasetNotLinked("No dataset is linked to this model.")
    datasets.unlink_dataset(stores, model_id)
    touch(row, stores.now())
    stores.record_change(model_id, dataset_id=link.dataset_id)
