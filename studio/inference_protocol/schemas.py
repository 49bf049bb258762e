"""JSON of the protocol."""

from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from studio.domain.tensors import BINARY, DATATYPES, NO_BINARY
from studio.web.fields import StrictInteger


class Parameters(fields.Dict):
    """Free parameters, of which those of the binary data extension are refused."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        loaded = super()._deserialize(value, attr, data, **kwargs)  # type: ignore[no-untyped-call]
        for name in BINARY:
            if loaded.get(name):
                raise ValidationError({name: [NO_BINARY]})
        return loaded


class InputTensor(Schema):
    name = fields.String(required=True)
    shape = fields.List(StrictInteger(validate=validate.Range(min=0)), required=True, validate=validate.Length(1, 2))
    datatype = fields.String(required=True, validate=validate.OneOf(DATATYPES))
    parameters = Parameters()
    data = fields.Raw(required=True)

    @validates_schema
    def check_data(self, data: dict[str, Any], **kwargs: Any) -> None:
        """Refuse data that are no list."""
        if not isinstance(data["data"], list):
            raise ValidationError({"data": ["must be a list"]})


class OutputTensor(Schema):
    name = fields.String(required=True)
    parameters = Parameters()


class InferBody(Schema):
    example: ClassVar[dict[str, Any]] = {
        "id": "r-1",
        "inputs": [
            {"name": "distance_km", "shape": [1], "datatype": "FP64", "data": [812]},
            {"name": "weight_kg", "shape": [1], "datatype": "FP64", "data": [3.2]},
            {"name": "carrier", "shape": [1], "datatype": "BYTES", "data": ["Nordvik"]},
            {"name": "is_fragile", "shape": [1], "datatype": "BOOL", "data": [False]},
        ],
    }

    id = fields.String()
    parameters = Parameters()
    inputs = fields.List(fields.Nested(InputTensor), required=True, validate=validate.Length(min=1))
    outputs = fields.List(fields.Nested(OutputTensor))


class ServerOut(Schema):
    name = fields.String(required=True)
    version = fields.String(required=True)
    extensions = fields.List(fields.String(), required=True)


class TensorOut(Schema):
    name = fields.String(required=True)
    datatype = fields.String(required=True)
    shape = fields.List(fields.Integer(), required=True)


class MetadataOut(Schema):
    name = fields.String(required=True)
    versions = fields.List(fields.String(), required=True)
    platform = fields.String(required=True)
    inputs = fields.List(fields.Nested(TensorOut), required=True)
    outputs = fields.List(fields.Nested(TensorOut), required=True)


class ModelReadyOut(Schema):
    name = fields.String(required=True)
    ready = fields.Boolean(required=True)


class OutputOut(TensorOut):
    data = fields.List(fields.Raw(allow_none=True), required=True)
    parameters = fields.Dict()


class InferenceOut(Schema):
    model_name = fields.String(required=True)
    model_version = fields.String(required=True)
    id = fields.String()
    outputs = fields.List(fields.Nested(OutputOut), required=True)
