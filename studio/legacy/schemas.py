"""JSON of what older clients send."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from studio.domain.tasks import TaskType
from studio.web.fields import StrictNumber, Text, choice
from studio.web.model_config import SHARE

START = "start_training"


class StartMessage(Schema):
    action = fields.String(required=True, validate=validate.Equal(START, error=f"must be {START}"))
    file_data = fields.String(required=True)
    ml_task = choice(TaskType, required=True)
    target_variable = fields.String(validate=validate.Length(min=1, max=1000, error="must have 1 to 1000 characters"))
    model_type = fields.String(
        load_default="auto", validate=validate.Length(min=1, max=100, error="must have 1 to 100 characters")
    )
    task_name = Text(min_length=1, max_length=120, forbid="/:", load_default=None)
    test_size = StrictNumber(load_default=0.2, validate=SHARE)

    @validates_schema
    def check_target(self, data: dict[str, Any], **kwargs: Any) -> None:
        """Only clustering learns without a target."""
        if "target_variable" not in data and data.get("ml_task") not in (None, TaskType.CLUSTERING):
            raise ValidationError(f"is required for {data['ml_task']}", "target_variable")
