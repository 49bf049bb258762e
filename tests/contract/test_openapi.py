"""The OpenAPI document: a valid one, of every operation, and true under data of all kinds."""

import re

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.specs.openapi.definitions import OPENAPI_31

from tests.contract.calls import PREPARE
from tests.contract.documented import faults_of
from tests.contract.offered import each, offered
from tests.contract.published import needs_contract, promises

pytestmark = needs_contract

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 8


@pytest.fixture(scope="module")
def document(place):
    return place.app.test_client().get("/api/v1/openapi.json").json


@pytest.fixture(scope="module")
def schema(place):
    return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", place.app)


def operations_of(document):
    """Every entry as ((method, path), entry)."""
    return [
        ((method.upper(), path), entry)
        for path, item in document["paths"].items()
        for method, entry in item.items()
        if method != "parameters"
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
    named = {node["$ref"].rpartition("/")[2] for node in nodes_of(document) if "$ref" in node}
    assert named == set(document["components"]["schemas"])
    assert set(document["components"]) == {"schemas", "securitySchemes"}


def test_it_has_every_operation_by_its_promised_id(document):
    described = {entry["operationId"]: route for route, entry in operations_of(document)}
    wanted = {name: (promises()[name].method, promises()[name].path) for name in offered() if name in promises()}
    assert described == {name: route for name, route in wanted.items() if route[0] != "WS"}
    assert len(described) == len(operations_of(document))


@each()
def test_it_describes_the_operation_as_promised(document, promise):
    entry = document["paths"][promise.path][promise.method.lower()]
    assert entry["security"] == ([] if promise.is_public else [{"bearer": []}])
    assert set(entry["responses"]) - {"304"} == {str(promise.success), "default"}
    problem = entry["responses"]["default"]["content"]["application/problem+json"]["schema"]
    assert problem == {"$ref": "#/components/schemas/ProblemOut"}
    answer = entry["responses"][str(promise.success)]
    assert ("Location" in answer.get("headers", {})) == promise.has_location
    assert ("content" in answer) == (promise.success != 204)
    named = [item["name"] for item in entry["parameters"] if item["in"] == "path"]
    assert named == promise.parameters == re.findall(r"{(\w+)}", promise.path)
    assert entry["summary"]


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


def resolve(document, schema):
    """What a schema refers to."""
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


@pytest.mark.slow
@each()
def test_it_holds_under_data_that_fits(place, schema, promise):
    ask(place, schema, promise, GenerationMode.POSITIVE)


def can_be_wrong(promise, operation):
    """Whether there is data the document rules out: a link's token is any text, and nothing else is read with it."""
    return promise.takes_body or operation.query or (promise.parameters and not promise.is_public)


@pytest.mark.slow
@each(lambda promise: can_be_wrong(promise, offered()[promise.id].operation))
def test_it_refuses_data_that_does_not_fit(place, schema, promise):
    ask(place, schema, promise, GenerationMode.NEGATIVE)


def ask(place, schema, promise, mode):
    """Call an operation with data made from the document, about things that are there."""
    strategy = schema.find_operation_by_id(promise.id).as_strategy(generation_mode=mode)

    @settings(
        max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=strategy)
    def ask_each(case):
        if promise.parameters:
            case.path_parameters = {**PREPARE[promise.id](place).path}
        before = place.count_entries()
        answer = case.call(headers=place.admin())
        case.validate_response(answer, checks=[*CHECKS, negative_data_rejection] if has_wrong_body(case) else CHECKS)
        if answer.status_code >= 400:
            assert place.count_entries() == before
            assert_known(promise, answer)

    ask_each()


def has_wrong_body(case):
    """Whether the body is what does not fit: parameters nobody knows are ignored, as promised."""
    body = case.meta.components.get(ParameterLocation.BODY)
    return body is not None and body.mode.is_negative


def assert_known(promise, answer):
    """A refusal is one this operation may answer."""
    assert answer.json()["code"] in promise.errors[answer.status_code], answer.text
