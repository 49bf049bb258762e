"""What can be done with datasets, one file per group of verbs."""

from studio.datasets.service.catalogue import DatasetFilter, delete_dataset, get_dataset, list_datasets
from studio.datasets.service.contents import (
    Preview,
    fetch_table,
    preview_dataset,
    profile_dataset,
    read_column,
    read_rows,
    warn_of_dataset,
)
from studio.datasets.service.links import (
    end_hold,
    find_link,
    hold_dataset,
    link_dataset,
    list_holders,
    release_dataset,
    unlink_dataset,
)
from studio.datasets.service.removal import Incomplete, give_up, list_incomplete, remove_rest
from studio.datasets.service.uploads import discard_upload, import_dataset, upload_dataset

__all__ = [
    "DatasetFilter",
    "Incomplete",
    "Preview",
    "delete_dataset",
    "discard_upload",
    "end_hold",
    "fetch_table",
    "find_link",
    "get_dataset",
    "give_up",
    "hold_dataset",
    "import_dataset",
    "link_dataset",
    "list_datasets",
    "list_holders",
    "list_incomplete",
    "preview_dataset",
    "profile_dataset",
    "read_column",
    "read_rows",
    "release_dataset",
    "remove_rest",
    "unlink_dataset",
    "upload_dataset",
    "warn_of_dataset",
]
