"""JSON of predictions."""

from typing import Any, ClassVar

from marshmallow import Schema, fields

from studio.web.fields import Time


class TestBody(Schema):
    example: ClassVar[dict[str, Any]] = {
        "inputs": {"distance_km": 812, "weight_kg": 3.2, "carrier": "Nordvik", "is_fragile": False},
        "version_id": "ver-001",
    }

    inputs = fields.Dict(keys=fields.String(), required=True)
    version_id = fields.String()


class TestPredictionOut(Schema):
    model_id = fields.String(required=True)
    version_id = fields.String(required=True)
    inputs = fields.Dict(required=True)
    prediction = fields.Raw(required=True, allow_none=True)
    probabilities = fields.Dict(keys=fields.String(), values=fields.Float(), required=True, allow_none=True)
    latency_ms = fields.Float(required=True)
    predicted_at = Time(required=True)
