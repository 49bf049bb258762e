"""What can be done with organizations: their members, and what they set for all their models."""

from studio.organizations.service.configs import OrganizationConfig, find_overrides, get_config, replace_config
from studio.organizations.service.members import (
    SEEN_PRECISION,
    Member,
    add_member,
    find_member_by_email,
    is_up_to_date,
    list_emails,
    list_members,
    provision_member,
)

__all__ = [
    "SEEN_PRECISION",
    "Member",
    "OrganizationConfig",
    "add_member",
    "find_member_by_email",
    "find_overrides",
    "get_config",
    "is_up_to_date",
    "list_emails",
    "list_members",
    "provision_member",
    "replace_config",
]
