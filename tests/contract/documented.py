"""The OpenAPI document as a judge of answers."""

import json

import jsonschema_rs

# Some codes add a member of their own, and MLflow answers what it has.
MAY_HOLD_MORE = {"ProblemOut", "MlflowEntryOut", "MlflowVersionOut"}
_validators = {}  # by document, then by schema: to make one takes longer than a call


def judge(document, promise, answer):
    """Faults of an answer by the document: its status, headers, media type and body.

    Args:
        document: The OpenAPI document.
        promise: The operation that was called.
        answer: What it answered.
    """
    entry = response_of(document, promise, answer.status_code)
    if entry is None:
        return [f"status {answer.status_code} is not described"]
    headers = {name: resolve(document, header) for name, header in entry["headers"].items()}
    faults = [
        f"no header {name}" for name, one in headers.items() if one.get("required") and name not in answer.headers
    ]
    content = {kind.partition(";")[0]: value for kind, value in entry.get("content", {}).items()}
    if not content:
        return faults + (["a body that is not described"] if answer.data else [])
    if answer.mimetype not in content:
        return [*faults, f"media type {answer.mimetype} is not described"]
    if answer.mimetype.endswith("json"):
        faults += faults_of(document, content[answer.mimetype]["schema"], answer.json)
    return faults


def response_of(document, promise, status):
    """What the document says of an answer of that status; None where it says nothing of its own."""
    found = document["paths"][promise.path][promise.method.lower()]["responses"].get(str(status))
    return found and resolve(document, found)


def parameters_of(document, promise, place="query"):
    """What the document says of the parameters of an operation: of its ``query``, ``path`` or ``header``."""
    entry = document["paths"][promise.path][promise.method.lower()]
    return [item for item in (resolve(document, one) for one in entry["parameters"]) if item["in"] == place]


def resolve(document, node):
    """What a node of the document refers to, else itself."""
    while "$ref" in node:
        kind, name = node["$ref"].split("/")[-2:]
        node = document["components"][kind][name]
    return node


def faults_of(document, schema, value):
    """Faults of a value by a schema of the document; keys that are not described are faults too."""
    return [
        f"{list(error.instance_path)}: {error.message}" for error in _validator(document, schema).iter_errors(value)
    ]


def _validator(document, schema):
    key = json.dumps(schema, sort_keys=True)
    known = _validators.setdefault(id(document), (document, {}))[1]  # which keeps the document alive
    if key not in known:
        components = {name: _closed(name, part) for name, part in document["components"]["schemas"].items()}
        whole = {**schema, "components": {"schemas": components}}
        known[key] = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
    return known[key]


def _closed(name, schema):
    if name in MAY_HOLD_MORE or "properties" not in schema:
        return schema
    return {"additionalProperties": False, **schema}
