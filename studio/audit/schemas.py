"""JSON of the audit log."""

from typing import Any

from marshmallow import Schema, fields

from studio.domain.audit import ACTIONS
from studio.web.fields import Time, choice
from studio.web.paging import page_of, page_query


class AuditQuery(page_query(default_size=50, max_size=200)):  # type: ignore[misc]
    since = Time(data_key="from", load_default=None)
    until = Time(data_key="to", load_default=None)
    action = choice(sorted(ACTIONS), load_default=None)
    actor_id = fields.String(load_default=None)
    sort_order = choice(["asc", "desc"], load_default="desc")


class OrganizationAuditQuery(AuditQuery):
    model_id = fields.String(load_default=None)


class AuditActorOut(Schema):
    user_id = fields.String(required=True, allow_none=True)
    email = fields.String(required=True, allow_none=True)
    type = fields.String(required=True)


class AuditEntryOut(Schema):
    entry_id = fields.String(required=True, attribute="id")
    action = fields.String(required=True)
    actor = fields.Nested(AuditActorOut, required=True)
    ip_address = fields.String(required=True, allow_none=True)
    request_id = fields.String(required=True, allow_none=True)
    timestamp = Time(required=True)
    model_id = fields.String(required=True, allow_none=True)
    details = fields.Dict(required=True)
    previous_hash = fields.String(required=True)
    hash = fields.String(required=True)
    unreadable = fields.List(
        fields.String(), metadata={"description": "only where the stored entry was tampered with: what cannot be read"}
    )

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        """Leave ``unreadable`` out of whole entries."""
        value = super().get_attribute(obj, attr, default)
        return default if attr == "unreadable" and not value else value


AuditEntryList = page_of(AuditEntryOut, "AuditEntryList")


class VerdictOut(Schema):
    valid = fields.Boolean(required=True)
    entries = fields.Integer(required=True)
    first_invalid = fields.String(required=True, allow_none=True)
