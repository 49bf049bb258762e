"""JSON of predictions."""

from collections.abc import Sequence
from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, validate

from studio.domain.json_pointers import split_pointer
from studio.domain.request_forms import find_shape_faults
from studio.web.fields import StrictInteger, Time

MAX_EXPLAINED_ROWS = 100


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


class ExplainBody(Schema):
    example: ClassVar[dict[str, Any]] = {
        "inputs": [{"distance_km": 812, "weight_kg": 3.2, "carrier": "Nordvik", "is_fragile": False}],
        "version_id": "ver-001",
        "top_n": 3,
    }

    inputs = fields.List(
        fields.Dict(keys=fields.String()), required=True, validate=validate.Length(1, MAX_EXPLAINED_ROWS)
    )
    version_id = fields.String()
    class_label = fields.String()
    top_n = StrictInteger(validate=validate.Range(1, 1000))


class ExplainedRowOut(Schema):
    prediction = fields.Raw(required=True, allow_none=True)
    class_label = fields.String(required=True, allow_none=True)
    base_value = fields.Float(required=True)
    values = fields.Dict(keys=fields.String(), values=fields.Float(), required=True)


class ExplanationOut(Schema):
    model_id = fields.String(required=True)
    version_id = fields.String(required=True)
    method = fields.String(required=True)
    explainer = fields.String(required=True)
    output = fields.String(required=True)
    explanations = fields.List(fields.Nested(ExplainedRowOut), required=True)


class PredictBody(Schema):
    """Rows in one of four forms; read by the service, as a schema would look at each value."""

    example: ClassVar[dict[str, Any]] = {
        "inputs": [{"distance_km": 812, "weight_kg": 3.2, "carrier": "Nordvik", "is_fragile": False}]
    }

    inputs = fields.Raw()
    instances = fields.Raw()
    dataframe_records = fields.Raw()
    dataframe_split = fields.Raw()
    params = fields.Dict()

    def load(self, data: Any, **kwargs: Any) -> Any:
        """The document as it is, once its shape was found to be right."""
        faults = find_shape_faults(data)
        if faults:
            raise ValidationError(_nested(faults))
        return data


def _nested(faults: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Faults by JSON pointer as marshmallow has them: messages in dictionaries by name."""
    messages: dict[str, Any] = {}
    for pointer, message in faults:
        *path, last = split_pointer(pointer) or ["_schema"]
        place = messages
        for part in path:
            place = place.setdefault(part, {})
        place.setdefault(last, []).append(message)
    return messages


class ScoresOut(Schema):
    predictions = fields.List(fields.Raw(allow_none=True), required=True)


class PredictionsOut(Schema):
    model_id = fields.String(required=True)
    version_id = fields.String(required=True)
    deployment_id = fields.String(required=True)
    predictions = fields.List(fields.Raw(allow_none=True), required=True)
    probabilities = fields.List(fields.Dict(keys=fields.String(), values=fields.Float()))
    prediction_ids = fields.List(fields.String(), required=True)
    latency_ms = fields.Float(required=True)
