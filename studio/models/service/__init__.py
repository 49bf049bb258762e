"""What can be done with models, one file per group of verbs."""

from studio.models.service.access import allows, find_access, find_reach, has_any_role, list_organizations
from studio.models.service.checks import check_config
from studio.models.service.configs import adopt_config, replace_config
from studio.models.service.figures import count_models, find_names
from studio.models.service.filters import ModelFilter, is_of_model
from studio.models.service.forced_deletion import ends_before_deletion
from studio.models.service.lifecycle import archive_model, duplicate_model, unarchive_model
from studio.models.service.links import link_dataset, unlink_dataset
from studio.models.service.listing import list_models
from studio.models.service.purges import Purge, end_purge, list_purges
from studio.models.service.records import (
    create_model,
    delete_model,
    draft_model,
    find_model_by_name,
    get_model,
    register_model,
    update_model,
)
from studio.models.service.removal import refuses_removal
from studio.models.service.settings import get_settings, update_settings
from studio.models.service.states import (
    begin_training,
    end_training,
    find_promotions,
    lock_for_change,
    lock_model,
    note_sharing,
    refresh_versions,
)

__all__ = [
    "ModelFilter",
    "Purge",
    "adopt_config",
    "allows",
    "archive_model",
    "begin_training",
    "check_config",
    "count_models",
    "create_model",
    "delete_model",
    "draft_model",
    "duplicate_model",
    "end_purge",
    "end_training",
    "ends_before_deletion",
    "find_access",
    "find_model_by_name",
    "find_names",
    "find_promotions",
    "find_reach",
    "get_model",
    "get_settings",
    "has_any_role",
    "is_of_model",
    "link_dataset",
    "list_models",
    "list_organizations",
    "list_purges",
    "lock_for_change",
    "lock_model",
    "note_sharing",
    "refresh_versions",
    "refuses_removal",
    "register_model",
    "replace_config",
    "unarchive_model",
    "unlink_dataset",
    "update_model",
    "update_settings",
]
