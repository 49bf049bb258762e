"""What is set on a model beside its training configuration: how it is shown, who is told, who may see it."""

from collections.abc import Mapping
from typing import Any

from studio.domain.model_records import Visibility

SECTIONS = ("display", "notifications", "access")
DEFAULTS: dict[str, dict[str, Any]] = {
    "display": {"pinned_to_dashboard": False, "color_label": "#6B7280", "icon": "model"},
    "notifications": {
        "on_training_complete": True,
        "on_training_failure": True,
        "on_drift_detected": True,
        "notify_emails": [],
    },
    "access": {"visibility": str(Visibility.ORG), "allow_collaborator_invites": False},
}


def complete(own: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Every setting: what was set, else its default."""
    return {section: {**DEFAULTS[section], **own.get(section, {})} for section in SECTIONS}


def merge(settings: Mapping[str, Any], changes: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Settings with changes laid over each section; what a section does not name stays."""
    return {section: {**settings[section], **changes.get(section, {})} for section in SECTIONS}
