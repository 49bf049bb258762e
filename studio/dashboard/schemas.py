"""JSON of the dashboard."""

from marshmallow import Schema, fields

from studio.domain.model_records import ModelStatus
from studio.domain.periods import PERIODS
from studio.domain.tasks import ModelType
from studio.web.fields import Time, choice
from studio.web.paging import QuerySchema

StatusCounts = Schema.from_dict(
    {str(status): fields.Integer(required=True) for status in ModelStatus}, name="StatusCounts"
)
TypeCounts = Schema.from_dict({str(kind): fields.Integer(required=True) for kind in ModelType}, name="TypeCounts")


class DashboardQuery(QuerySchema):
    period = choice([*PERIODS], load_default="7d")
    model_type = choice(ModelType, load_default=None)


class ActivityOut(Schema):
    event = fields.String(required=True)
    model_id = fields.String(required=True)
    model_name = fields.String(required=True)
    timestamp = Time(required=True)


class DashboardStatsOut(Schema):
    total_models = fields.Integer(required=True)
    status_breakdown = fields.Nested(StatusCounts, required=True)
    model_type_breakdown = fields.Nested(TypeCounts, required=True)
    training_success_rate = fields.Float(required=True, allow_none=True)
    period = fields.String(required=True)
    recent_activity = fields.List(fields.Nested(ActivityOut), required=True)
