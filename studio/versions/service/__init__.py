"""What can be done with versions, one file per group of verbs."""

from studio.versions.service.changes import has_changes, note_change, take_changes
from studio.versions.service.promotions import promote_version
from studio.versions.service.reading import (
    VersionFilter,
    find_promoted,
    find_version,
    get_version,
    has_ready_version,
    has_version,
    list_versions,
    model_file_key,
)
from studio.versions.service.reconciling import reconcile, reconcile_model
from studio.versions.service.registration import close_unfinished_version, register_version

__all__ = [
    "VersionFilter",
    "close_unfinished_version",
    "find_promoted",
    "find_version",
    "get_version",
    "has_changes",
    "has_ready_version",
    "has_version",
    "list_versions",
    "model_file_key",
    "note_change",
    "promote_version",
    "reconcile",
    "reconcile_model",
    "register_version",
    "take_changes",
]
