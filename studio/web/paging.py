"""Pages: the query every list takes, and the answer it gives."""

from marshmallow import EXCLUDE, Schema, fields, validate


class QuerySchema(Schema):
    """Base of every query: parameters nobody knows are passed over."""

    class Meta:
        unknown = EXCLUDE


def page_query(default_size: int = 20, max_size: int = 100) -> type[QuerySchema]:
    """A query schema with ``page`` and ``page_size`` to derive from."""

    class PageQuery(QuerySchema):
        page = fields.Integer(load_default=1, validate=validate.Range(min=1, max=10**9))
        page_size = fields.Integer(load_default=default_size, validate=validate.Range(min=1, max=max_size))

    return PageQuery


def page_of(item: type[Schema], name: str) -> type[Schema]:
    """The answer schema of a list of such items, named for the OpenAPI document."""
    return type(
        name,
        (Schema,),
        {
            "total": fields.Integer(required=True),
            "page": fields.Integer(required=True),
            "page_size": fields.Integer(required=True),
            "results": fields.List(fields.Nested(item), required=True),
        },
    )
