"""JSON of training runs."""

import functools
from typing import Any, ClassVar
from zoneinfo import available_timezones

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from studio.domain.runs import Priority
from studio.domain.training_schedules import ScheduleTrigger
from studio.web.fields import StrictBoolean, StrictInteger, StrictNumber, Text, Time, choice
from studio.web.model_config import ABOVE_ZERO, ConfigChanges
from studio.web.rules import NULL, TEXT, by_value

DAY_S = 86400
MINUTE_S, MONTH_S = 60, 30 * DAY_S
DRIFT_THRESHOLD = 0.2


class TrainBody(Schema):
    example: ClassVar[dict[str, Any]] = {
        "run_label": "nightly",
        "priority": "high",
        "timeout_seconds": 1800,
        "config_override": {"algorithm": "lightgbm"},
    }

    config_override = fields.Nested(ConfigChanges, load_default=dict)
    run_label = Text(max_length=120, load_default=None, allow_none=True)
    priority = choice(Priority, load_default=str(Priority.NORMAL))
    timeout_seconds = StrictInteger(
        load_default=3600, validate=validate.Range(min=1, max=DAY_S, error=f"must be 1 to {DAY_S}")
    )


@functools.cache
def _timezones() -> set[str]:
    return available_timezones()


def known_timezone(name: str) -> None:
    """Refuse what is no IANA name."""
    if name not in _timezones():
        raise ValidationError("must be an IANA time zone such as UTC or Europe/Berlin")


class ScheduleBody(Schema):
    example: ClassVar[dict[str, Any]] = {
        "trigger": "cron",
        "cron": "0 3 * * *",
        "timezone": "Europe/Berlin",
        "run_label": "nightly",
    }
    rule: ClassVar[dict[str, Any]] = by_value(
        "trigger",
        {ScheduleTrigger.CRON: {"cron": TEXT, "drift_threshold": NULL}, ScheduleTrigger.DRIFT: {"cron": NULL}},
    )

    trigger = choice(ScheduleTrigger, required=True)
    cron = Text(max_length=100, load_default=None, allow_none=True)
    timezone = fields.String(load_default="UTC", validate=known_timezone)
    drift_threshold = StrictNumber(load_default=None, allow_none=True, validate=ABOVE_ZERO)
    min_interval_s = StrictInteger(
        data_key="min_interval_seconds", load_default=3600,
        validate=validate.Range(min=MINUTE_S, max=MONTH_S, error=f"must be {MINUTE_S} to {MONTH_S}"),
    )  # fmt: skip
    is_enabled = StrictBoolean(data_key="enabled", load_default=True)
    label = Text(data_key="run_label", max_length=120, load_default=None, allow_none=True)
    priority = choice(Priority, load_default=str(Priority.NORMAL))
    timeout_s = StrictInteger(
        data_key="timeout_seconds", load_default=3600,
        validate=validate.Range(min=1, max=DAY_S, error=f"must be 1 to {DAY_S}"),
    )  # fmt: skip
    config_override = fields.Nested(ConfigChanges, load_default=dict)

    @validates_schema
    def check_trigger(self, data: dict[str, Any], **kwargs: Any) -> None:
        """What belongs to the one trigger says nothing of the other."""
        by_cron = data.get("trigger") == ScheduleTrigger.CRON
        if by_cron and data.get("cron") is None:
            raise ValidationError("is needed for trigger cron", "cron")
        foreign = "drift_threshold" if by_cron else "cron"
        if data.get(foreign) is not None:
            raise ValidationError(f"is not for trigger {data['trigger']}", foreign)

    @post_load
    def fill_threshold(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Drift is measured against a threshold in any case."""
        if data["trigger"] == ScheduleTrigger.DRIFT and data["drift_threshold"] is None:
            data["drift_threshold"] = DRIFT_THRESHOLD
        return data


class TrainingScheduleOut(Schema):
    model_id = fields.String(required=True)
    enabled = fields.Boolean(required=True)
    trigger = fields.String(required=True)
    cron = fields.String(required=True, allow_none=True)
    timezone = fields.String(required=True)
    drift_threshold = fields.Float(required=True, allow_none=True)
    min_interval_seconds = fields.Integer(required=True)
    run_label = fields.String(required=True, allow_none=True)
    priority = fields.String(required=True)
    timeout_seconds = fields.Integer(required=True)
    config_override = fields.Dict(required=True)
    next_run_at = Time(required=True, allow_none=True)
    last_run_id = fields.String(required=True, allow_none=True)
    updated_at = Time(required=True)
    updated_by = fields.String(required=True)


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
