"""JSON of deployments."""

from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from studio.domain.deployments import TRAFFIC_RULES, AutoRollback, DeploymentStatus, Strategy
from studio.web.fields import StrictInteger, StrictNumber, Text, Time, choice
from studio.web.paging import page_of, page_query

MAX_REPLICAS = 8


def above_zero(**kwargs: Any) -> StrictNumber:
    """A number above 0, or null."""
    return StrictNumber(
        allow_none=True, validate=validate.Range(min=0, min_inclusive=False, error="must be above 0"), **kwargs
    )


class AutoRollbackBody(Schema):
    max_error_rate = StrictNumber(allow_none=True, load_default=None, validate=validate.Range(min=0, max=1))
    max_p99_ms = above_zero(load_default=None)
    max_drift = above_zero(load_default=None)

    @post_load
    def _make(self, data: dict[str, Any], **kwargs: Any) -> AutoRollback:
        return AutoRollback(**data)


class DeploymentBody(Schema):
    example: ClassVar[dict[str, Any]] = {"name": "live", "auto_rollback": {"max_error_rate": 0.05, "max_p99_ms": 200}}

    name = Text(min_length=1, max_length=60)
    version_id = fields.String(allow_none=True, load_default=None)
    strategy = choice(Strategy, load_default=str(Strategy.DIRECT))
    traffic_percent = StrictInteger(validate=validate.Range(min=1, max=100))
    replicas = StrictInteger(load_default=1, validate=validate.Range(min=1, max=MAX_REPLICAS))
    auto_rollback = fields.Nested(AutoRollbackBody)

    @validates_schema
    def _check_traffic(self, data: dict[str, Any], **kwargs: Any) -> None:
        rule = TRAFFIC_RULES[Strategy(data["strategy"])]
        percent = data.get("traffic_percent", rule.default)
        if not rule.least <= percent <= rule.most:
            message = f"must be {rule.least}" if rule.least == rule.most else f"must be {rule.least} to {rule.most}"
            raise ValidationError(f"{message} for a {data['strategy']} deployment", "traffic_percent")


class DeploymentChanges(Schema):
    example: ClassVar[dict[str, Any]] = {"replicas": 2}

    name = Text(min_length=1, max_length=60)
    version_id = fields.String(allow_none=True)
    traffic_percent = StrictInteger(validate=validate.Range(min=1, max=100))
    replicas = StrictInteger(validate=validate.Range(min=1, max=MAX_REPLICAS))
    auto_rollback = fields.Nested(AutoRollbackBody)


class RollbackDeploymentBody(Schema):
    example: ClassVar[dict[str, Any]] = {"reason": "too many wrong answers on rural routes"}

    reason = Text(max_length=500, lines=True)


class DeploymentQuery(page_query()):  # type: ignore[misc]
    status = choice(DeploymentStatus, load_default=None)


class AutoRollbackOut(Schema):
    max_error_rate = fields.Float(required=True, allow_none=True)
    max_p99_ms = fields.Float(required=True, allow_none=True)
    max_drift = fields.Float(required=True, allow_none=True)


class DeploymentOut(Schema):
    deployment_id = fields.String(required=True, attribute="id")
    model_id = fields.String(required=True)
    name = fields.String(required=True)
    status = choice(DeploymentStatus, required=True)
    status_message = fields.String(required=True, allow_none=True)
    version_id = fields.String(required=True)
    follows_promoted = fields.Boolean(required=True)
    strategy = choice(Strategy, required=True)
    traffic_percent = fields.Integer(required=True)
    replicas = fields.Integer(required=True)
    auto_rollback = fields.Nested(AutoRollbackOut, required=True)
    url = fields.String(required=True)
    created_at = Time(required=True)
    created_by = fields.String(required=True)
    updated_at = Time(required=True)


DeploymentList = page_of(DeploymentOut, "DeploymentList")
