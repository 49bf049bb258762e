"""JSON of the registry."""

from marshmallow import Schema, fields

from studio.domain.runs import RunStatus
from studio.web.fields import Time, choice
from studio.web.paging import page_of, page_query


class RunQuery(page_query()):  # type: ignore[misc]
    status = choice(RunStatus, load_default=None)
    sort_by = choice(["created_at", "duration_seconds"], load_default="created_at")
    sort_order = choice(["asc", "desc"], load_default="desc")


class RunSummaryOut(Schema):
    run_id = fields.String(required=True)
    status = fields.String(required=True)
    run_label = fields.String(required=True, allow_none=True)
    version_produced = fields.String(required=True, allow_none=True)
    duration_seconds = fields.Float(required=True, allow_none=True)
    created_at = Time(required=True)
    completed_at = Time(required=True, allow_none=True)
    created_by = fields.String(required=True)


TrainingRunList = page_of(RunSummaryOut, "TrainingRunList")
