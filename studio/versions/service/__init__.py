"""What can be done with versions, one file per group of verbs."""

from studio.versions.service.background import find_sample, read_background
from studio.versions.service.changes import has_changes, note_change, take_changes
from studio.versions.service.changing import delete_version, update_version
from studio.versions.service.comparing import compare_versions
from studio.versions.service.digests import ensure_digest
from studio.versions.service.files import NAMES, file_key, list_files, record_files
from studio.versions.service.history import PromotionHistory, list_promotions
from studio.versions.service.marks import hold_registry
from studio.versions.service.promotions import promote_version, rollback_promotion
from studio.versions.service.reading import (
    VersionFilter,
    find_promoted,
    find_version,
    get_version,
    has_ready_version,
    has_version,
    list_model_files,
    list_versions,
    model_file_key,
)
from studio.versions.service.reconciling import reconcile, reconcile_model
from studio.versions.service.registration import close_unfinished_version, register_version
from studio.versions.service.restoring import Restored, restore_version
from studio.versions.service.uses import refuses_deletion

__all__ = [
    "NAMES",
    "PromotionHistory",
    "Restored",
    "VersionFilter",
    "close_unfinished_version",
    "compare_versions",
    "delete_version",
    "ensure_digest",
    "file_key",
    "find_promoted",
    "find_sample",
    "find_version",
    "get_version",
    "has_changes",
    "has_ready_version",
    "has_version",
    "hold_registry",
    "list_files",
    "list_model_files",
    "list_promotions",
    "list_versions",
    "model_file_key",
    "note_change",
    "promote_version",
    "read_background",
    "reconcile",
    "reconcile_model",
    "record_files",
    "refuses_deletion",
    "register_version",
    "restore_version",
    "rollback_promotion",
    "take_changes",
    "update_version",
]
