"""Both sides of every bound that the OpenAPI document tells: the last value allowed, and the first beyond it."""

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.contract.documented import resolve

NOT_A_MEMBER = "no such value"
NAME = "k"  # of a map's entry
NEAR = 1e-6  # so far from a bound that is itself excluded
TEXTS = (
    "a", "A", "é", "🚚", "a b", " a ", "a-1", "a/b", "a:b", "a,b", "a\tb", "a\nb", "a\0b", "a\x7f", "a\x85", " ",
    "#12abEF", "#12abEG", "#12abE", "#12abEF0", "x" * 40, "x" * 41,
)  # fmt: skip
MOMENTS = ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5+05:30", "2026-01-01")
NO_MOMENTS = ("yesterday", "2026-13-01T00:00:00Z", "2026-01-01T25:00:00Z", "2026-01-01T00:00:00", "1767225600")


@dataclass(frozen=True)
class Bound:
    """What a schema says of one place.

    Attributes:
        pointer: JSON pointer of the place in a body; a parameter's name with a slash before it.
        allowed: Values it lets through.
        refused: Values beyond.
    """

    pointer: str
    allowed: list[Any]
    refused: list[Any]


def bounds_of(
    document: dict[str, Any], schema: dict[str, Any], pointer: str = "", *, is_text: bool = False
) -> Iterator[Bound]:
    """Every bound of a schema, and of what is in it.

    Args:
        document: The OpenAPI document.
        schema: A schema in it.
        pointer: Where what the schema describes stands.
        is_text: Whether every value is sent as a text, as in a query or a form.
    """
    schema = resolve(document, schema)
    if schema.keys().isdisjoint({"type", "anyOf"}):  # whatever is given there
        return
    schema, is_nullable = _without_null(schema)
    schema = resolve(document, schema)
    kind = schema["type"]
    allowed, refused = SIDES[kind](document, schema)
    if pointer and schema.get("format") != "binary":
        refused = refused + [value for value in WRONG_TEXTS.get(kind, ()) if is_text]
        refused = refused + [value for value in WRONG_TYPES[kind] if not is_text and (value or not is_nullable)]
    yield Bound(pointer, allowed, refused)
    for name, inner in schema.get("properties", {}).items():
        yield from bounds_of(document, inner, f"{pointer}/{name}", is_text=is_text)
    if "items" in schema:
        yield from bounds_of(document, schema["items"], f"{pointer}/0")
    yield from _bounds_of_map(document, schema, pointer)


def _bounds_of_map(document, schema, pointer):
    """Those of a map's names and of its values; the place of a name is that of what stands under it."""
    inner = schema.get("additionalProperties")
    names = schema.get("propertyNames")
    if names:
        for side, values in zip(("allowed", "refused"), _sides_of_text(document, names), strict=True):
            for name in values:
                both = {"allowed": [], "refused": []} | {side: ["v"]}
                yield Bound(f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}", **both)
    if isinstance(inner, dict) and inner:
        yield from bounds_of(document, inner, f"{pointer}/{NAME}")


def _without_null(schema):
    """A schema without its leave to be null, and whether it has it."""
    for branch in schema.get("anyOf", ()):
        if "$ref" in branch:
            return branch, {"type": "null"} in schema["anyOf"]
    kinds = schema["type"]
    if isinstance(kinds, str):
        return schema, False
    [kind] = set(kinds) - {"null"}
    return {**schema, "type": kind}, True


def put(body: Any, pointer: str, value: Any) -> Any:
    """A copy of a body with a value at a place; lists get that one element."""
    body, names = copy.deepcopy(body), pointer.split("/")[1:]
    node = body
    for name, following in zip(names, [*names[1:], None], strict=True):
        if following is None:
            new = value
        else:
            new = [None] if following == "0" else node.get(name) if isinstance(node, dict) else None
            new = {} if new is None else new
        node[0 if name == "0" else name] = new
        node = new
    return body


def _sides_of_number(document, schema):
    is_whole = schema["type"] == "integer"
    allowed, refused = [], []
    for name, sign in (("inimum", -1), ("aximum", 1)):
        if f"m{name}" in schema:
            bound = schema[f"m{name}"]
            allowed.append(bound)
            refused.append(bound + sign if is_whole else bound + sign * NEAR)
        if f"exclusiveM{name}" in schema:
            bound = schema[f"exclusiveM{name}"]
            allowed.append(bound - sign * NEAR)
            refused.append(bound)
    return allowed, refused


def _sides_of_text(document, schema):
    if "enum" in schema:
        allowed = [value for value in schema["enum"] if value is not None]
        return allowed, [value for value in (NOT_A_MEMBER, allowed[0].upper(), "") if value not in allowed]
    if schema.get("format") == "date-time":
        return list(MOMENTS), list(NO_MOMENTS)
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    if schema.get("format") == "email":
        return ["a@example.org", _address_of(most)], ["", "a", "a@", "@b", _address_of(most + 1)]
    if schema.get("format") == "binary":
        return [], []
    pattern = schema.get("pattern", "")
    samples = [text for text in TEXTS if pattern and least <= len(text) <= (most or len(text))]
    allowed = [text for text in samples if re.fullmatch(pattern, text)]
    refused = [text for text in samples if not re.fullmatch(pattern, text)]
    assert not pattern or (allowed and refused), f"no text is on one side of {pattern}"
    if most is not None:
        allowed += ["a" * most, "🚚" * most]
        refused += ["a" * (most + 1)]
    return allowed + ["a" * least] * (least > 0), refused + ["a" * (least - 1)] * (least > 0)


def _sides_of_list(document, schema):
    items, allowed, refused = resolve(document, schema["items"]), [], []
    if "maxItems" in schema:
        most = schema["maxItems"]
        allowed.append([_element(items, number) for number in range(most)])
        refused.append([_element(items, number) for number in range(most + 1)])
    if "minItems" in schema:
        least = schema["minItems"]
        allowed.append([_element(items, number) for number in range(least)])
        refused.append([_element(items, number) for number in range(least - 1)])
    return allowed, refused


def _sides_of_object(document, schema):
    most = schema.get("maxProperties")
    if most is None:
        return [], []
    return tuple([{f"k{number}": "v" for number in range(count)}] for count in (most, most + 1))


def _element(items, number):
    if "enum" in items:
        return items["enum"][number % len(items["enum"])]
    if items.get("type") == "object":
        return {f"a{number}": number}
    return f"a{number}@example.org" if items.get("format") == "email" else f"a{number}"


def _address_of(length):
    """An e-mail address of so many characters."""
    labels, rest = [], length - len("a@.org")
    while rest > 0:
        labels.append("b" * min(rest, 60))
        rest -= 61
    if rest == 0:  # a dot would end it
        labels[-1] += "b"
    return f"a@{'.'.join(labels)}.org"


SIDES = {
    "integer": _sides_of_number,
    "number": _sides_of_number,
    "string": _sides_of_text,
    "array": _sides_of_list,
    "object": _sides_of_object,
    "boolean": lambda document, schema: ([True, False], []),
}
WRONG_TYPES = {
    "integer": ["1", 1.5, True, [1], {"a": 1}, None],
    "number": ["1", True, [1], {"a": 1}, None],
    "string": [7, True, ["a"], {"a": 1}, None],
    "array": ["a", 7, {"a": 1}, None],
    "object": ["a", 7, ["a"], None],
    "boolean": ["true", 7, 1.5, ["a"], None],
}
WRONG_TEXTS = {"integer": ["x", "1.5", "1e3", ""], "number": ["x", "nan", "inf", ""], "boolean": ["x", ""]}
