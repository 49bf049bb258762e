"""How our marshmallow schemas read as JSON Schema: what apispec does not tell, or tells wrongly.

The document then says of every bound what the code does, so that a client can check its data by the document alone.
"""

from typing import Any

from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import fields
from marshmallow.validate import Range

from studio.web.fields import Time
from studio.web.paging import ANSWERED_AS_UNKNOWN, QuerySchema

PROPERTIES_FOR_LENGTH = {"minLength": "minProperties", "maxLength": "maxProperties"}
NO_NUL = r"^[^\x00]*$"


class Converter(OpenAPIConverter):
    """Reads our schemas."""

    def init_attribute_functions(self) -> None:
        """Called by apispec."""
        super().init_attribute_functions()  # type: ignore[no-untyped-call]
        self.attribute_functions += [_exclude_bounds, _count_entries, _refuse_nul, self._name_properties]
        self.map_to_openapi_type(Time, "string", "date-time")  # type: ignore[no-untyped-call]

    def schema2jsonschema(self, schema: Any) -> dict[str, Any]:
        """The schema's own, and what its ``rule`` adds about several fields at once."""
        told: dict[str, Any] = super().schema2jsonschema(schema)  # type: ignore[no-untyped-call]
        return told | getattr(schema, "rule", {})

    def _name_properties(self, field: fields.Field[Any], **kwargs: Any) -> dict[str, Any]:
        """The form of the keys of a map."""
        key = getattr(field, "key_field", None)
        form = self.field2property(key) if key is not None else {}
        return {"propertyNames": form} if form.keys() > {"type"} else {}


class Plugin(MarshmallowPlugin):
    """apispec's, with our converter."""

    Converter = Converter


def take_null_out(schema: dict[str, Any]) -> None:
    """A parameter is there or not: null, which stands for "not given" in our schemas, cannot be sent."""
    kinds = schema.get("type")
    if isinstance(kinds, list):
        left = [kind for kind in kinds if kind != "null"]
        schema["type"] = left[0] if len(left) == 1 else left


def let_null_in(node: Any) -> None:
    """Say no default where it is null, and list null among the choices that may be null: apispec does not."""
    if isinstance(node, list):
        for item in node:
            let_null_in(item)
    elif isinstance(node, dict):
        if node.get("default", "") is None:
            del node["default"]
        if "enum" in node and "null" in node.get("type", ()) and None not in node["enum"]:
            node["enum"] = [*node["enum"], None]
        for item in node.values():
            let_null_in(item)


def _exclude_bounds(field: fields.Field[Any], ret: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Tell bounds that are not allowed themselves: apispec takes every bound for an allowed one."""
    excluded = {}
    for check in field.validators:
        if isinstance(check, Range) and check.min is not None and not check.min_inclusive:
            excluded["exclusiveMinimum"] = ret.pop("minimum", check.min)
        if isinstance(check, Range) and check.max is not None and not check.max_inclusive:
            excluded["exclusiveMaximum"] = ret.pop("maximum", check.max)
    return excluded


def _count_entries(field: fields.Field[Any], ret: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Tell how many entries a map may have: apispec tells it as of a text."""
    if not isinstance(field, fields.Dict):
        return {}
    return {name: ret.pop(wrong) for wrong, name in PROPERTIES_FOR_LENGTH.items() if wrong in ret}


def _refuse_nul(field: fields.Field[Any], ret: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Tell that no text of a query may hold a NUL, as its base class sees to."""
    name = field.data_key or field.name
    is_any_text = type(field) is fields.String and not ret.keys() & {"enum", "pattern", "format"}
    is_asked = isinstance(field.parent, QuerySchema) and name not in ANSWERED_AS_UNKNOWN
    return {"pattern": NO_NUL} if is_any_text and is_asked else {}
