"""JSON of collaborators."""

from typing import Any, ClassVar

from marshmallow import Schema, fields

from studio.domain.permissions import Role
from studio.web.fields import Text, choice

GIVEN = (Role.VIEWER, Role.EDITOR, Role.ADMIN)  # there is one owner, and only a transfer makes another


class CollaboratorOut(Schema):
    user_id = fields.String(required=True)
    email = fields.String(required=True, allow_none=True)
    role = fields.String(required=True)


class CollaboratorsOut(Schema):
    model_id = fields.String(required=True)
    collaborators = fields.List(fields.Nested(CollaboratorOut), required=True)


class InviteBody(Schema):
    example: ClassVar[dict[str, Any]] = {"user_email": "li@tidal.example", "role": "viewer"}

    user_email = Text(min_length=1, max_length=320, required=True)
    role = choice(GIVEN, required=True)


class RoleBody(Schema):
    example: ClassVar[dict[str, Any]] = {"role": "editor"}

    role = choice(GIVEN, required=True)


class TransferBody(Schema):
    example: ClassVar[dict[str, Any]] = {"user_email": "li@tidal.example"}

    user_email = Text(min_length=1, max_length=320, required=True)
