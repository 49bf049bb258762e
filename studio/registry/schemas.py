"""JSON of the registry."""

from typing import Any

from marshmallow import Schema, fields, post_dump

from studio.domain.runs import RunStatus
from studio.web.fields import Time, choice
from studio.web.paging import QuerySchema, page_of, page_query

MLFLOW = "mlflow"


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


class RegistryQuery(QuerySchema):
    include_all_versions = fields.Boolean(load_default=False)
    format = choice(["standard", MLFLOW], load_default="standard")


class PromotedVersionOut(Schema):
    version_id = fields.String(required=True, attribute="version.id")
    version_number = fields.Integer(required=True, attribute="version.number")
    algorithm = fields.String(required=True, attribute="version.algorithm")
    artifact_uri = fields.String(required=True)
    promoted_at = Time(required=True)


class SignatureColumnOut(Schema):
    name = fields.String(required=True)
    type = fields.String(required=True)


class SignatureOut(Schema):
    inputs = fields.List(fields.Nested(SignatureColumnOut), required=True)
    outputs = fields.List(fields.Nested(SignatureColumnOut), required=True)


class RegisteredVersionOut(Schema):
    version_id = fields.String(required=True, attribute="version.id")
    version_number = fields.Integer(required=True, attribute="version.number")
    status = fields.String(required=True, attribute="version.status")
    algorithm = fields.String(required=True, attribute="version.algorithm")
    artifact_uri = fields.String(required=True)
    is_promoted = fields.Boolean(required=True, attribute="version.is_promoted")
    trained_at = Time(required=True, attribute="version.created_at")


class RegistryEntryOut(Schema):
    model_id = fields.String(required=True)
    model_name = fields.String(required=True)
    promoted_version = fields.Nested(PromotedVersionOut, required=True, attribute="promoted")
    signature = fields.Nested(SignatureOut, required=True)
    versions = fields.List(fields.Nested(RegisteredVersionOut))

    @post_dump(pass_original=True)
    def choose_form(self, data: dict[str, Any], original: Any, **kwargs: Any) -> dict[str, Any]:
        """MLflow's form is made by MLflow and passes as it is; versions nobody asked for are left out."""
        if isinstance(original, dict):
            return original
        return {name: value for name, value in data.items() if name != "versions" or value is not None}


class MlflowVersionOut(Schema):
    name = fields.String(required=True)
    version = fields.String(required=True)
    status = fields.String(required=True)
    aliases = fields.List(fields.String(), required=True)


class MlflowAliasOut(Schema):
    alias = fields.String(required=True)
    version = fields.String(required=True)


class MlflowTagOut(Schema):
    key = fields.String(required=True)
    value = fields.String(required=True)


class MlflowEntryOut(Schema):
    """MLflow's registered model, as its own API answers it."""

    name = fields.String(required=True)
    creation_timestamp = fields.Integer(required=True)
    last_updated_timestamp = fields.Integer(required=True)
    description = fields.String(required=True)
    latest_versions = fields.List(fields.Nested(MlflowVersionOut), required=True)
    aliases = fields.List(fields.Nested(MlflowAliasOut), required=True)
    tags = fields.List(fields.Nested(MlflowTagOut), required=True)
    versions = fields.List(fields.Nested(MlflowVersionOut))
