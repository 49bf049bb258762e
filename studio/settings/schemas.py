"""JSON of configurations with their sources, and of settings."""

from typing import Any, ClassVar

from marshmallow import Schema, fields, validate

from studio.domain.model_records import Visibility
from studio.web.fields import StrictBoolean, choice, email, formed
from studio.web.model_config import ConfigBody, ConfigOut

__all__ = ["ConfigBody", "ModelConfigOut", "ModelSettingsOut", "SettingsBody"]

MAX_EMAILS = 20
MAX_EMAIL_LENGTH = 254


class ModelConfigOut(ConfigOut):
    """The effective configuration, and where each key comes from."""

    sources = fields.Dict(keys=fields.String(), values=fields.String(), required=True)


class DisplayBody(Schema):
    pinned_to_dashboard = StrictBoolean()
    color_label = formed("#[0-9A-Fa-f]{6}", "must be # and six hex digits")
    icon = formed("[a-z0-9-]{1,40}", "must be 1 to 40 of a-z, 0-9 and -")


class NotificationsBody(Schema):
    on_training_complete = StrictBoolean()
    on_training_failure = StrictBoolean()
    on_drift_detected = StrictBoolean()
    notify_emails = fields.List(
        email(max_length=MAX_EMAIL_LENGTH), validate=validate.Length(max=MAX_EMAILS, error=f"at most {MAX_EMAILS}")
    )


class AccessBody(Schema):
    visibility = choice(Visibility)
    allow_collaborator_invites = StrictBoolean()


class SettingsBody(Schema):
    example: ClassVar[dict[str, Any]] = {
        "display": {"color_label": "#336699", "icon": "truck"},
        "notifications": {"notify_emails": ["ops@tidal.example"]},
    }

    display = fields.Nested(DisplayBody)
    notifications = fields.Nested(NotificationsBody)
    access = fields.Nested(AccessBody)


class DisplayOut(Schema):
    pinned_to_dashboard = fields.Boolean(required=True)
    color_label = fields.String(required=True)
    icon = fields.String(required=True)


class NotificationsOut(Schema):
    on_training_complete = fields.Boolean(required=True)
    on_training_failure = fields.Boolean(required=True)
    on_drift_detected = fields.Boolean(required=True)
    notify_emails = fields.List(fields.String(), required=True)


class AccessOut(Schema):
    visibility = fields.String(required=True)
    allow_collaborator_invites = fields.Boolean(required=True)


class ModelSettingsOut(Schema):
    model_id = fields.String(required=True)
    display = fields.Nested(DisplayOut, required=True)
    notifications = fields.Nested(NotificationsOut, required=True)
    access = fields.Nested(AccessOut, required=True)
