"""The OpenAPI document: a valid one, of every operation, and true under data of all kinds."""

import re

import jsonschema_rs
from schemathesis.specs.openapi.definitions import OPENAPI_31

from tests.contract.documented import faults_of, parameters_of, resolve, response_of
from tests.contract.offered import each, offered
from tests.contract.published import needs_contract, promises, resource_of

pytestmark = needs_contract

# Section 0.9: codes of all operations of a kind, which the document describes by their status.
SHARED_CODES = {
    "token_missing",
    "not_acceptable",
    "idempotency_in_progress",
    "precondition_failed",
    "payload_too_large",
    "unsupported_media_type",
    "validation_failed",
    "rate_limited",
    "service_unavailable",
}
HEADERS_OF = {401: {"WWW-Authenticate"}, 409: {"Retry-After"}, 429: {"Retry-After"}, 503: {"Retry-After"}}


def operations_of(document):
    """Every entry as ((method, path), entry)."""
    return [
        ((method.upper(), path), entry) for path, item in document["paths"].items() for method, entry in item.items()
    ]


def nodes_of(node):
    """Every object of a document."""
    if isinstance(node, dict):
        yield node
    for item in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from nodes_of(item)


def test_it_is_a_document_of_openapi_3_1(document):
    faults = jsonschema_rs.Draft202012Validator(OPENAPI_31).iter_errors(document)
    assert not [f"{list(fault.instance_path)}: {fault.message}" for fault in faults]


def test_every_schema_in_it_is_one(document):
    schemas = [*document["components"]["schemas"].values()]
    schemas += [node["schema"] for node in nodes_of(document["paths"]) if isinstance(node.get("schema"), dict)]
    for one in schemas:
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **one})
        faults_of(document, one, None)  # raises where a pattern or a reference in it is broken


def test_every_reference_leads_somewhere(document):
    for node in nodes_of(document):
        if isinstance(node.get("$ref"), str):
            target = document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part.replace("~1", "/").replace("~0", "~")]


def test_everything_it_names_is_used(document):
    named = {node["$ref"] for node in nodes_of(document) if "$ref" in node}
    parts = {kind: names for kind, names in document["components"].items() if kind != "securitySchemes"}
    assert named == {f"#/components/{kind}/{name}" for kind, names in parts.items() for name in names}


def test_it_has_every_operation_by_its_promised_id(document):
    described = {entry["operationId"]: route for route, entry in operations_of(document)}
    wanted = {name: (promises()[name].method, promises()[name].path) for name in offered() if name in promises()}
    assert described == {name: route for name, route in wanted.items() if route[0] != "WS"}
    assert len(described) == len(operations_of(document))


@each()
def test_it_describes_the_operation_as_promised(document, promise):
    entry = document["paths"][promise.path][promise.method.lower()]
    assert entry["security"] == ([] if promise.is_public else [{"bearer": []}])
    answer = entry["responses"][str(promise.success)]
    assert ("content" in answer) == (promise.success != 204)
    named = [item["name"] for item in parameters_of(document, promise, "path")]
    assert named == promise.parameters == re.findall(r"{(\w+)}", promise.path)
    assert entry["summary"]


@each()
def test_it_describes_the_headers_that_are_read_and_answered(document, promise):
    read = {item["name"] for item in parameters_of(document, promise, "header")}
    answered = response_of(document, promise, promise.success)["headers"].keys()
    assert resource_of(promise) is None or "ETag" in answered
    is_read = {
        "X-Request-ID": True,
        "Idempotency-Key": promise.method == "POST",
        "If-Match": promise.method in ("PUT", "PATCH", "DELETE"),
        "If-None-Match": promise.method == "GET" and "ETag" in answered,
    }
    is_answered = {
        "X-Request-ID": True,
        "Location": promise.has_location,
        "Idempotency-Replayed": promise.method == "POST",
    }
    assert read == {name for name, wanted in is_read.items() if wanted}
    assert answered - {"ETag"} == {name for name, wanted in is_answered.items() if wanted}


@each()
def test_it_describes_the_refusals_that_are_promised(document, promise):
    entry = document["paths"][promise.path][promise.method.lower()]
    described = {int(status) for status in entry["responses"] if status not in ("304", "default", str(promise.success))}
    assert described <= promise.errors.keys()
    of_its_kind = {status for status, codes in promise.errors.items() if SHARED_CODES & set(codes)}
    assert promise.is_public or of_its_kind - described <= {422}  # which one without parameters has of its own
    for status in (*described - {promise.success}, "default"):
        answer = response_of(document, promise, status)
        assert promise.id == "service.readyz" or set(answer["content"]) == {"application/problem+json"}
        assert promise.id == "service.readyz" or answer["headers"].keys() >= HEADERS_OF.get(status, set())
    problem = response_of(document, promise, "default")["content"]["application/problem+json"]["schema"]
    assert problem == {"$ref": "#/components/schemas/ProblemOut"}


@each(lambda promise: promise.has_location)
def test_its_answer_leads_to_what_can_be_done_with_it(document, promise):
    entry = document["paths"][promise.path][promise.method.lower()]
    links = entry["responses"][str(promise.success)].get("links", {})
    for link in links.values():
        method, path = next(
            route for route, one in operations_of(document) if one["operationId"] == link["operationId"]
        )
        asked = {f"path.{name}" for name in re.findall(r"{(\w+)}", path)}
        assert asked <= link["parameters"].keys(), f"{method} {path}"
    assert links or promise.id == "stream_ticket.create"  # whose url is a socket's


def test_a_new_model_leads_to_everything_about_a_model(document):
    created = document["paths"]["/api/v1/models"]["post"]["responses"]["201"]["links"]
    about = {name for name in offered() if promises()[name].parameters == ["model_id"]}
    assert created.keys() == {name for name in about if promises()[name].method != "WS"}


@each(lambda promise: promise.response)
def test_its_answer_requires_every_promised_key(document, promise):
    answer = document["paths"][promise.path][promise.method.lower()]["responses"][str(promise.success)]
    schema = answer["content"]["application/json"]["schema"]
    forms = schema.get("oneOf", [schema])  # the first is the one answered where nobody asks for another
    assert not [key for key in promise.response if not is_required(document, forms[0], key.split("."))]


def is_required(document, schema, path):
    """Whether a schema requires a key: ``a.b`` nested, ``a[]`` a list, ``a[].b`` in each element."""
    schema = resolve(document, schema)
    if not path or schema == {} or schema.get("additionalProperties") == {}:
        return True  # of a free-form object nothing more is said
    name, depth = path[0].rstrip("[]"), path[0].count("[]")
    if name not in schema.get("required", ()):
        return False
    inner = resolve(document, schema["properties"][name])
    for _ in range(depth):
        if "array" not in inner["type"]:
            return False
        inner = resolve(document, inner["items"])
    return is_required(document, inner, path[1:])
