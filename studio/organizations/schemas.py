"""JSON of members and of an organization's configuration."""

from typing import Any, ClassVar

from marshmallow import Schema, fields, validate

from studio.web.fields import Text, Time, email
from studio.web.model_config import ConfigBody, ValidationBody
from studio.web.paging import page_of, page_query


class MemberQuery(page_query()):  # type: ignore[misc]
    search = fields.String(load_default=None, validate=validate.Length(min=1, max=200))


class MemberBody(Schema):
    example: ClassVar[dict[str, Any]] = {"user_id": "user-061", "email": "noor@tidal.example"}

    user_id = Text(min_length=1, max_length=128, required=True)
    email = email(required=True, max_length=320)


class MemberOut(Schema):
    user_id = fields.String(required=True)
    email = fields.String(required=True, allow_none=True)
    type = fields.String(required=True)
    first_seen_at = Time(required=True, allow_none=True)
    last_seen_at = Time(required=True, allow_none=True)
    added_by = fields.String(required=True)


MemberList = page_of(MemberOut, "MemberList")


class SharedValidationBody(ValidationBody):
    class Meta:
        exclude = ("time_column", "group_column")


class OverridesBody(ConfigBody):
    """What makes sense for all models of an organization: nothing that names a column, an asset or a parameter."""

    class Meta:
        exclude = (
            "target_column", "feature_columns", "hyperparameters", "time_column",
            "entry_point", "runtime_environment", "resource_profile", "requirements_file",
        )  # fmt: skip

    validation = fields.Nested(SharedValidationBody)


class OrganizationConfigBody(Schema):
    example: ClassVar[dict[str, Any]] = {"overrides": {"search": {"max_trials": 30}, "imbalance": "auto"}}

    overrides = fields.Nested(OverridesBody, required=True)


class OrganizationConfigOut(Schema):
    organization = fields.String(required=True)
    overrides = fields.Dict(required=True)
    updated_at = Time(required=True, allow_none=True)
    updated_by = fields.String(required=True, allow_none=True)
