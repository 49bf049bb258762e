"""JSON of keys and tokens."""

from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from studio.domain.permissions import ORGANIZATION_PERMISSIONS
from studio.web.fields import StrictInteger, Text, Time, choice
from studio.web.paging import page_of, page_query
from studio.web.rules import ABSENT, TEXT, by_value

ApiKeyQuery = page_query()
GRANT_TYPES = ("api_key", "refresh_token")


class TokenBody(Schema):
    example: ClassVar[dict[str, Any]] = {"grant_type": "api_key", "api_key": "msk_decade01_3f9aXw2cQ0"}
    rule: ClassVar[dict[str, Any]] = by_value(
        "grant_type",
        {
            "api_key": {"api_key": TEXT, "refresh_token": ABSENT},
            "refresh_token": {"refresh_token": TEXT, "api_key": ABSENT},
        },
    )

    grant_type = choice(GRANT_TYPES, required=True)
    api_key = fields.String(validate=validate.Length(min=1, max=500))
    refresh_token = fields.String(validate=validate.Length(min=1, max=500))

    @validates_schema(skip_on_field_errors=True)
    def check_credentials(self, data: dict[str, Any], **kwargs: Any) -> None:
        """Exactly what the grant type names is given."""
        for name in GRANT_TYPES:
            if (name in data) != (name == data["grant_type"]):
                raise ValidationError("must be given with the grant_type of this name, and only then", name)


class TokenOut(Schema):
    access_token = fields.String(required=True)
    token_type = fields.String(required=True)
    expires_in = fields.Integer(required=True)
    refresh_token = fields.String(required=True)
    refresh_expires_in = fields.Integer(required=True)
    permissions = fields.List(fields.String(), required=True)


class ApiKeyBody(Schema):
    example: ClassVar[dict[str, Any]] = {
        "name": "nightly scoring",
        "permissions": ["model:read"],
        "expires_in_days": 30,
    }

    name = Text(min_length=1, max_length=120, required=True)
    permissions = fields.List(
        choice(sorted(ORGANIZATION_PERMISSIONS)), required=True, validate=validate.Length(min=1, max=20)
    )
    expires_in_days = StrictInteger(load_default=90, validate=validate.Range(1, 365, error="must be 1 to 365"))
    service_account = fields.String(load_default=None, allow_none=False, validate=validate.Length(min=1, max=128))


class ApiKeyOut(Schema):
    key_id = fields.String(required=True, attribute="id")
    name = fields.String(required=True)
    service_account = fields.String(required=True)
    prefix = fields.String(required=True)
    permissions = fields.List(fields.String(), required=True)
    expires_at = Time(required=True)
    last_used_at = Time(required=True, allow_none=True)
    created_at = Time(required=True)
    created_by = fields.String(required=True)


class NewApiKeyOut(Schema):
    key_id = fields.String(required=True, attribute="row.id")
    name = fields.String(required=True, attribute="row.name")
    service_account = fields.String(required=True, attribute="row.service_account")
    api_key = fields.String(required=True)
    prefix = fields.String(required=True, attribute="row.prefix")
    permissions = fields.List(fields.String(), required=True, attribute="row.permissions")
    expires_at = Time(required=True, attribute="row.expires_at")
    last_used_at = Time(required=True, allow_none=True, attribute="row.last_used_at")
    created_at = Time(required=True, attribute="row.created_at")
    created_by = fields.String(required=True, attribute="row.created_by")


ApiKeyList = page_of(ApiKeyOut, "ApiKeyList")
