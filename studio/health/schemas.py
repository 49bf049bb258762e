"""JSON of the service endpoints."""

from marshmallow import Schema, fields


class LivenessOut(Schema):
    status = fields.String(required=True)


class ReadinessOut(Schema):
    status = fields.String(required=True)
    checks = fields.Dict(keys=fields.String(), values=fields.String(), required=True)


class LiveOut(Schema):
    live = fields.Boolean(required=True)


class ReadyOut(Schema):
    ready = fields.Boolean(required=True)


class ApiDocumentOut(Schema):
    openapi = fields.String(required=True)
    info = fields.Dict(required=True)
    servers = fields.List(fields.Dict(), required=True)
    tags = fields.List(fields.Dict(), required=True)
    paths = fields.Dict(required=True)
    components = fields.Dict(required=True)
