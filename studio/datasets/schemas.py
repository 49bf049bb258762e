"""JSON of datasets, and the form they are uploaded with."""

from typing import Any, ClassVar

from flask_smorest.fields import Upload
from marshmallow import Schema, ValidationError, fields, validate, validates_schema
from werkzeug.datastructures import FileStorage

from studio.domain.datasets import SourceType
from studio.web.fields import Text, Time, choice
from studio.web.paging import QuerySchema, page_of, page_query
from studio.web.rules import ABSENT, TEXT, by_value

MAX_NAME = 120


def name_field(**kwargs: Any) -> Text:
    """A dataset's name."""
    return Text(min_length=1, max_length=MAX_NAME, **kwargs)


def description_field() -> Text:
    """What a dataset is about."""
    return Text(max_length=2000, lines=True, load_default="")


class FilePart(Upload):  # type: ignore[misc]  # flask_smorest is untyped
    """A part of a form that is a file; a text of that name is not."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> FileStorage:
        if not isinstance(value, FileStorage):
            raise ValidationError("must be a file")
        return value


class UploadForm(Schema):
    file = FilePart(required=True)
    name = name_field(metadata={"description": "the file's name where it is left out"})
    description = description_field()


class SourceBody(Schema):
    rule: ClassVar[dict[str, Any]] = by_value(
        "type",
        {
            SourceType.SQL: {"query": TEXT, "credentials_ref": TEXT},
            SourceType.S3: {"query": ABSENT},
            SourceType.FILE: {"query": ABSENT},
        },
    )

    type = choice([SourceType.S3, SourceType.SQL, SourceType.FILE], required=True)
    uri = Text(min_length=1, max_length=2000, required=True)
    query = Text(min_length=1, max_length=100_000, lines=True, load_default=None, allow_none=False)
    credentials_ref = Text(min_length=1, max_length=120, load_default=None, allow_none=False)

    @validates_schema
    def check_query(self, data: dict[str, Any], **kwargs: Any) -> None:
        """A query and its credentials go with ``sql``, and only a query with nothing else."""
        is_sql = data["type"] == SourceType.SQL
        faults = {}
        if is_sql and data["query"] is None:
            faults["query"] = ["is required for sql"]
        if is_sql and data["credentials_ref"] is None:
            faults["credentials_ref"] = ["is required for sql"]
        if not is_sql and data["query"] is not None:
            faults["query"] = ["is for sql only"]
        if faults:
            raise ValidationError(faults)


class ImportBody(Schema):
    example: ClassVar[dict[str, Any]] = {
        "name": "Orders Q2",
        "source": {"type": "s3", "uri": "s3://lake/tidal-logistics/orders-q2.parquet"},
    }

    name = name_field(required=True)
    description = description_field()
    source = fields.Nested(SourceBody, required=True)


class DatasetQuery(page_query()):  # type: ignore[misc]
    search = fields.String(load_default=None, validate=validate.Length(min=1, max=200))
    sort_by = choice(["name", "created_at", "rows"], load_default="created_at")
    sort_order = choice(["asc", "desc"], load_default="desc")


class PreviewQuery(QuerySchema):
    limit = fields.Integer(load_default=20, validate=validate.Range(min=1, max=200))


class ProfileQuery(QuerySchema):
    target_column = fields.String(load_default=None)


class SourceOut(Schema):
    type = fields.String(required=True)
    uri = fields.String(required=True, allow_none=True)


class ColumnOut(Schema):
    name = fields.String(required=True)
    type = fields.String(required=True)


class DatasetOut(Schema):
    id = fields.String(required=True)
    name = fields.String(required=True)
    description = fields.String(required=True)
    format = fields.String(required=True)
    source = fields.Nested(SourceOut, required=True)
    rows = fields.Integer(required=True)
    columns = fields.List(fields.Nested(ColumnOut), required=True)
    size_bytes = fields.Integer(required=True)
    fingerprint = fields.String(required=True)
    linked_models = fields.Integer(required=True)
    created_at = Time(required=True)
    created_by = fields.String(required=True)


DatasetList = page_of(DatasetOut, "DatasetList")


class PreviewOut(Schema):
    dataset_id = fields.String(required=True, attribute="dataset.id")
    total_rows = fields.Integer(required=True, attribute="dataset.rows")
    columns = fields.List(fields.Nested(ColumnOut), required=True, attribute="dataset.columns")
    rows = fields.List(fields.Dict(), required=True)


class TopValueOut(Schema):
    value = fields.Raw(required=True)
    count = fields.Integer(required=True)


class HistogramOut(Schema):
    edges = fields.List(fields.Raw(), required=True)
    counts = fields.List(fields.Integer(), required=True)


class ColumnProfileOut(Schema):
    name = fields.String(required=True)
    type = fields.String(required=True)
    missing = fields.Integer(required=True)
    distinct = fields.Integer(required=True)
    min = fields.Raw(allow_none=True)
    max = fields.Raw(allow_none=True)
    mean = fields.Float(allow_none=True)
    std = fields.Float(allow_none=True)
    quantiles = fields.Dict(keys=fields.String(), values=fields.Float(allow_none=True), allow_none=True)
    top_values = fields.List(fields.Nested(TopValueOut))
    histogram = fields.Nested(HistogramOut, required=True, allow_none=True)


class WarningOut(Schema):
    code = fields.String(required=True)
    column = fields.String(required=True, allow_none=True)
    message = fields.String(required=True)


class ProfileOut(Schema):
    dataset_id = fields.String(required=True)
    rows = fields.Integer(required=True)
    columns = fields.Integer(required=True)
    column_profiles = fields.List(fields.Nested(ColumnProfileOut), required=True)
    warnings = fields.List(fields.Nested(WarningOut), required=True)
