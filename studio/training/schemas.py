"""JSON of training runs."""

from marshmallow import Schema, fields, validate

from studio.domain.runs import Priority
from studio.web.fields import StrictInteger, Text, Time, choice
from studio.web.model_config import ConfigChanges

DAY_S = 86400


class TrainBody(Schema):
    config_override = fields.Nested(ConfigChanges, load_default=dict)
    run_label = Text(max_length=120, load_default=None, allow_none=True)
    priority = choice(Priority, load_default=str(Priority.NORMAL))
    timeout_seconds = StrictInteger(
        load_default=3600, validate=validate.Range(min=1, max=DAY_S, error=f"must be 1 to {DAY_S}")
    )


class FailureOut(Schema):
    code = fields.String(required=True)
    message = fields.String(required=True)
    stage = fields.String(required=True)


class TrainingRunOut(Schema):
    run_id = fields.String(required=True)
    model_id = fields.String(required=True)
    status = fields.String(required=True)
    run_label = fields.String(required=True, allow_none=True)
    priority = fields.String(required=True)
    estimated_start_time = Time(required=True, allow_none=True)
    created_at = Time(required=True)
    kind = fields.String(required=True)
    trigger = fields.String(required=True)
    created_by = fields.String(required=True)
    queue_position = fields.Integer(required=True, allow_none=True)
    pending_action = fields.String(required=True, allow_none=True)
    phase = fields.String(required=True, allow_none=True)
    progress = fields.Float(required=True)
    started_at = Time(required=True, allow_none=True)
    completed_at = Time(required=True, allow_none=True)
    duration_seconds = fields.Float(required=True, allow_none=True)
    timeout_seconds = fields.Integer(required=True)
    config_override = fields.Dict(required=True)
    dataset_fingerprint = fields.String(required=True, allow_none=True)
    version_produced = fields.String(required=True, allow_none=True)
    retry_of = fields.String(required=True, allow_none=True)
    cancel_reason = fields.String(required=True, allow_none=True)
    failure = fields.Nested(FailureOut, required=True, allow_none=True)
