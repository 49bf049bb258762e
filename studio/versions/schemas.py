"""JSON of versions."""

from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from studio.domain.versions import PromotionSource, VersionStatus
from studio.web.fields import Map, StrictNumber, Text, Time, choice
from studio.web.paging import QuerySchema, page_of, page_query
from studio.web.rules import any_of


class VersionQuery(page_query()):  # type: ignore[misc]
    status = choice(VersionStatus, load_default=None)
    sort_by = choice(["version_number", "trained_at", "status"], load_default="version_number")
    sort_order = choice(["asc", "desc"], load_default="desc")


class GateBody(Schema):
    rule: ClassVar[dict[str, Any]] = any_of("min_value", "min_improvement_over_promoted")

    metric = fields.String(required=True, validate=validate.Length(min=1, max=250))
    min_value = StrictNumber()
    min_improvement_over_promoted = StrictNumber()

    @validates_schema
    def _check_bounds(self, data: dict[str, Any], **kwargs: Any) -> None:
        if not data.keys() & {"min_value", "min_improvement_over_promoted"}:
            raise ValidationError("needs min_value, min_improvement_over_promoted or both")


class PromoteBody(Schema):
    example: ClassVar[dict[str, Any]] = {
        "reason": "better on rural routes",
        "gate": {"metric": "accuracy", "min_value": 0.8},
    }

    reason = Text(max_length=500, lines=True)
    gate = fields.Nested(GateBody)


class RollbackBody(Schema):
    example: ClassVar[dict[str, Any]] = {"reason": "too many false alarms"}

    reason = Text(max_length=500, lines=True)


class VersionChanges(Schema):
    example: ClassVar[dict[str, Any]] = {
        "description": "Trained without the strike weeks",
        "tags": {"ticket": "ML-231"},
    }

    description = Text(max_length=2000, lines=True)
    tags = Map(
        keys=Text(min_length=1, max_length=50),
        values=Text(max_length=500, lines=True),
        validate=validate.Length(max=50, error="must have at most 50 entries"),
    )


class CompareQuery(QuerySchema):
    version_a = fields.String(required=True)
    version_b = fields.String(required=True)


class HistoryQuery(page_query()):  # type: ignore[misc]
    at = Time(load_default=None)


class OnnxCheckOut(Schema):
    passed = fields.Boolean(required=True)
    reason = fields.String(required=True, allow_none=True)
    max_difference = fields.Float(required=True, allow_none=True)
    tolerance = fields.Float(required=True, allow_none=True)
    rows = fields.Integer(required=True, allow_none=True)


class VersionFilesOut(Schema):
    model_file = fields.String(required=True, allow_none=True)
    onnx_file = fields.String(required=True, allow_none=True)
    onnx_check = fields.Nested(OnnxCheckOut, required=True, allow_none=True)


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


class RestoredOut(Schema):
    model_id = fields.String(required=True)
    restored_from_version = fields.String(required=True)
    active_config = fields.Dict(required=True)
    restored_at = Time(required=True)


class ComparedVersionOut(Schema):
    version_id = fields.String(required=True, attribute="id")
    version_number = fields.Integer(required=True, attribute="number")
    metrics = fields.Dict(required=True)
    hyperparameters = fields.Dict(required=True)


class VersionComparisonOut(Schema):
    model_id = fields.String(required=True)
    version_a = fields.Nested(ComparedVersionOut, required=True, attribute="a")
    version_b = fields.Nested(ComparedVersionOut, required=True, attribute="b")
    metric_deltas = fields.Dict(required=True)
    better = fields.Dict(required=True)
    config_diff = fields.Dict(required=True)


class TenureOut(Schema):
    version_id = fields.String(required=True)
    version_number = fields.Integer(required=True, attribute="version")
    promoted_at = Time(required=True)
    promoted_by = fields.String(required=True, attribute="by")
    demoted_at = Time(required=True, allow_none=True)
    reason = fields.String(required=True, allow_none=True)
    source = choice(PromotionSource, required=True)


class PromotionHistoryOut(Schema):
    model_id = fields.String(required=True)
    at = Time(required=True, allow_none=True)
    total = fields.Integer(required=True, attribute="page.total")
    page = fields.Integer(required=True, attribute="page.page")
    page_size = fields.Integer(required=True, attribute="page.page_size")
    results = fields.List(fields.Nested(TenureOut), required=True, attribute="page.results")
