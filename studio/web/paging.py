"""Pages: the query every list takes, and the answer it gives."""

from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, pre_load, validate

ANSWERED_AS_UNKNOWN = {"run_id", "version_id"}  # their rooms look at the form first and answer 404


class QuerySchema(Schema):
    """Base of every query: parameters nobody knows are passed over."""

    class Meta:
        unknown = EXCLUDE

    @pre_load
    def refuse_nul(self, data: dict[str, str], **kwargs: Any) -> dict[str, str]:
        """Refuse the one character that PostgreSQL cannot even look for; an id that holds it is just unknown."""
        known = {field.data_key or name for name, field in self.load_fields.items()} - ANSWERED_AS_UNKNOWN
        held = [name for name in known if "\0" in data.get(name, "")]
        if held:
            raise ValidationError({name: ["must not contain control characters"] for name in held})
        return data


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
