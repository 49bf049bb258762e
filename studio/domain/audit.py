"""What the audit log tells: the entry and the actions there are."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from studio.domain.actors import ActorType

FIRST_HASH = "0" * 64
ACTIONS = frozenset(
    [
        "model.created",
        "model.updated",
        "model.deleted",
        "model.archived",
        "model.unarchived",
        "model.duplicated",
        "model.training_started",
        "model.training_completed",
        "model.training_failed",
        "model.version_promoted",
        "model.version_restored",
        "model.dataset_linked",
        "model.dataset_unlinked",
        "model.config_updated",
        "model.settings_updated",
        "model.collaborator_added",
        "model.collaborator_removed",
        "model.artifact_downloaded",
        "model.custom_asset_uploaded",
        "model.training_cancelled",
        "model.training_paused",
        "model.training_resumed",
        "model.schedule_updated",
        "model.schedule_deleted",
        "model.version_updated",
        "model.version_deleted",
        "model.version_registered",
        "model.collaborator_updated",
        "model.ownership_transferred",
        "model.custom_asset_deleted",
        "model.deployed",
        "model.deployment_updated",
        "model.undeployed",
        "model.deployment_rolled_back",
        "model.batch_prediction_started",
        "model.alert_rule_created",
        "model.alert_rule_updated",
        "model.alert_rule_deleted",
        "model.alert_acknowledged",
        "model.alert_resolved",
        "model.ground_truth_recorded",
        "dataset.created",
        "dataset.deleted",
        "organization.member_added",
        "organization.config_updated",
        "auth.token_issued",
        "auth.token_revoked",
        "auth.api_key_created",
        "auth.api_key_deleted",
    ]
)


@dataclass(frozen=True)
class AuditActor:
    """Who did it, as far as is known."""

    user_id: str | None
    email: str | None
    type: ActorType


def entry_id(number: int) -> str:
    """The id of the entry at a position of a chain."""
    return f"aud-{str(number).zfill(10)}"  # also for what somebody has put in a number's place


@dataclass(frozen=True)
class AuditEntry:
    """One line of an organization's audit log.

    Attributes:
        number: Position in the organization's chain, from 1 without a gap.
        previous_hash: ``hash`` of the entry before it, 64 zeros for the first.
        hash: SHA-256 of the entry without ``hash``, as canonical JSON (RFC 8785).
        unreadable: Columns that hold what the service never wrote, because somebody has tampered with the table.
    """

    number: int
    action: str
    actor: AuditActor
    ip_address: str | None
    request_id: str | None
    timestamp: datetime
    model_id: str | None
    details: Mapping[str, Any]
    previous_hash: str
    hash: str
    unreadable: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """``aud-`` and the number in ten digits."""
        return entry_id(self.number)
