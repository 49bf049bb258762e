"""JSON of batch predictions."""

from typing import Any, ClassVar

from marshmallow import Schema, fields

from studio.domain.batch_jobs import BatchStatus
from studio.web.fields import Time, choice
from studio.web.paging import page_of, page_query


class BatchBody(Schema):
    example: ClassVar[dict[str, Any]] = {"dataset_id": "ds-5e1ec7ed", "version_id": "ver-001"}

    dataset_id = fields.String(required=True)
    version_id = fields.String()


class BatchQuery(page_query()):  # type: ignore[misc]
    status = choice(BatchStatus, load_default=None)


class BatchFailureOut(Schema):
    code = fields.String(required=True)
    message = fields.String(required=True)


class BatchDownloadsOut(Schema):
    csv = fields.String(required=True, allow_none=True)
    parquet = fields.String(required=True, allow_none=True)
    errors = fields.String(required=True, allow_none=True)


class BatchJobOut(Schema):
    batch_id = fields.String(required=True)
    model_id = fields.String(required=True)
    version_id = fields.String(required=True)
    dataset_id = fields.String(required=True)
    status = fields.String(required=True)
    rows_total = fields.Integer(required=True, allow_none=True)
    rows_predicted = fields.Integer(required=True)
    rows_failed = fields.Integer(required=True)
    created_at = Time(required=True)
    created_by = fields.String(required=True)
    started_at = Time(required=True, allow_none=True)
    completed_at = Time(required=True, allow_none=True)
    failure = fields.Nested(BatchFailureOut, required=True, allow_none=True)
    downloads = fields.Nested(BatchDownloadsOut, required=True)
    downloads_expire_at = Time(required=True, allow_none=True)


BatchList = page_of(BatchJobOut, "BatchList")
