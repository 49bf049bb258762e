"""JSON of versions."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from studio.domain.versions import VersionStatus
from studio.web.fields import StrictNumber, Text, Time, choice
from studio.web.paging import page_of, page_query


class VersionQuery(page_query()):  # type: ignore[misc]
    status = choice(VersionStatus, load_default=None)
    sort_by = choice(["version_number", "trained_at", "status"], load_default="version_number")
    sort_order = choice(["asc", "desc"], load_default="desc")


class GateBody(Schema):
    metric = fields.String(required=True, validate=validate.Length(min=1, max=250))
    min_value = StrictNumber()
    min_improvement_over_promoted = StrictNumber()

    @validates_schema
    def _check_bounds(self, data: dict[str, Any], **kwargs: Any) -> None:
        if not data.keys() & {"min_value", "min_improvement_over_promoted"}:
            raise ValidationError("needs min_value, min_improvement_over_promoted or both")


class PromoteBody(Schema):
    reason = Text(max_length=500, lines=True)
    gate = fields.Nested(GateBody)


class VersionFilesOut(Schema):
    model_file = fields.String(required=True, allow_none=True)
    onnx_file = fields.String(required=True, allow_none=True)


class VersionSummaryOut(Schema):
    version_id = fields.String(required=True, attribute="version.id")
    model_id = fields.String(required=True)
    version_number = fields.Integer(required=True, attribute="version.number")
    is_promoted = fields.Boolean(required=True, attribute="version.is_promoted")
    status = fields.String(required=True, attribute="version.status")
    algorithm = fields.String(required=True, attribute="version.algorithm")
    metrics = fields.Dict(required=True, attribute="version.metrics")
    trained_at = Time(required=True, attribute="version.created_at")
    trained_by = fields.String(required=True, attribute="version.trained_by")
    description = fields.String(required=True, attribute="version.description")
    tags = fields.Dict(required=True, attribute="version.tags")


class VersionOut(VersionSummaryOut):
    hyperparameters = fields.Dict(required=True, attribute="version.hyperparameters")
    config = fields.Dict(required=True, attribute="version.config")
    artifacts = fields.Nested(VersionFilesOut, required=True)
    training_duration_seconds = fields.Float(required=True, allow_none=True, attribute="version.duration_s")
    promoted_at = Time(required=True, allow_none=True)
    promoted_by = fields.String(required=True, allow_none=True)
    run_id = fields.String(required=True, allow_none=True, attribute="version.run_id")


VersionList = page_of(VersionSummaryOut, "VersionList")
