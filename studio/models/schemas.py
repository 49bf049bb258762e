"""JSON of models."""

from typing import Any, ClassVar

from marshmallow import Schema, fields, validate

from studio.domain.model_records import ModelStatus
from studio.domain.tasks import ModelType, TaskType
from studio.web.fields import StrictBoolean, Text, Time, choice
from studio.web.model_config import ConfigBody, ConfigChanges, ConfigOut
from studio.web.paging import QuerySchema, page_of, page_query

MAX_TAGS = 50


def name_field(**kwargs: Any) -> Text:
    """A model's name, which is also the name of its registered model and experiment."""
    return Text(min_length=1, max_length=120, forbid="/:", **kwargs)


def tags_field(**kwargs: Any) -> fields.List[str]:
    """A list of tags."""
    tag = Text(min_length=1, max_length=50, forbid=",")
    return fields.List(tag, validate=validate.Length(max=MAX_TAGS, error=f"at most {MAX_TAGS} tags"), **kwargs)


class ModelBody(Schema):
    example: ClassVar[dict[str, Any]] = {
        "name": "Late delivery risk",
        "description": "Will a parcel be late?",
        "model_type": "auto",
        "task_type": "classification",
        "dataset_id": "ds-5e1ec7ed",
        "tags": ["eu"],
        "config": {"target_column": "late", "search": {"time_budget_seconds": 300}},
    }

    name = name_field(required=True)
    description = Text(max_length=2000, lines=True, load_default="")
    model_type = choice(ModelType, required=True)
    task_type = choice(TaskType, required=True)
    dataset_id = fields.String()
    tags = tags_field(load_default=list)
    config = fields.Nested(ConfigBody, load_default=dict)


class ModelChanges(Schema):
    example: ClassVar[dict[str, Any]] = {
        "description": "Will a parcel be late, seen from its depot?",
        "tags": ["eu", "q2"],
    }

    name = name_field()
    description = Text(max_length=2000, lines=True)
    tags = tags_field()
    config = fields.Nested(ConfigChanges)
    model_type = fields.Raw(allow_none=True, metadata={"description": "cannot change: naming it is refused"})
    task_type = fields.Raw(allow_none=True, metadata={"description": "cannot change: naming it is refused"})


class DuplicateBody(Schema):
    example: ClassVar[dict[str, Any]] = {"name": "Late delivery risk, second try"}

    name = name_field(required=True)
    description = Text(max_length=2000, lines=True)


class ModelQuery(page_query()):  # type: ignore[misc]
    status = choice(ModelStatus, load_default=None)
    model_type = choice(ModelType, load_default=None)
    task_type = choice(TaskType, load_default=None)
    search = fields.String(load_default=None, validate=validate.Length(min=1, max=200))
    tags = fields.String(load_default="")
    sort_by = choice(["name", "created_at", "updated_at", "status"], load_default="created_at")
    sort_order = choice(["asc", "desc"], load_default="desc")


class DeleteQuery(QuerySchema):
    force = fields.Boolean(load_default=False)


class LinkedDatasetOut(Schema):
    id = fields.String(required=True, attribute="dataset_id")
    name = fields.String(required=True, attribute="dataset_name")
    linked_at = Time(required=True)


class ModelSummaryOut(Schema):
    id = fields.String(required=True)
    name = fields.String(required=True)
    model_type = fields.String(required=True)
    task_type = fields.String(required=True)
    status = fields.String(required=True)
    version = fields.Integer(required=True)
    created_at = Time(required=True)
    updated_at = Time(required=True)


class ModelOut(ModelSummaryOut):
    description = fields.String(required=True)
    tags = fields.List(fields.String(), required=True)
    config = fields.Nested(ConfigOut, required=True)
    dataset = fields.Nested(LinkedDatasetOut)
    metrics = fields.Dict(required=True)
    created_by = fields.String(required=True)
    archived_at = Time(required=True, allow_none=True)
    source_model_id = fields.String(required=True, allow_none=True)
    promoted_version_id = fields.String(required=True, allow_none=True)

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        """Leave ``dataset`` out while none is linked."""
        value = super().get_attribute(obj, attr, default)
        return default if attr == "dataset" and value is None else value


ModelList = page_of(ModelSummaryOut, "ModelList")


class LinkBody(Schema):
    example: ClassVar[dict[str, Any]] = {"dataset_id": "ds-5e1ec7ed", "validate_schema": True}

    dataset_id = fields.String(required=True)
    validate_schema = StrictBoolean(load_default=True)


class DatasetLinkOut(Schema):
    model_id = fields.String(required=True)
    dataset_id = fields.String(required=True)
    dataset_name = fields.String(required=True)
    schema_validated = fields.Boolean(required=True)
    linked_at = Time(required=True)
