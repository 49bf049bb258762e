"""The OpenAPI document as a judge of answers."""

import jsonschema_rs

MAY_HOLD_MORE = {"ProblemOut"}  # some codes add a member of their own


def judge(document, promise, answer):
    """Faults of an answer by the document: its status, headers, media type and body.

    Args:
        document: The OpenAPI document.
        promise: The operation that was called.
        answer: What it answered.
    """
    entry = document["paths"][promise.path][promise.method.lower()]["responses"].get(str(answer.status_code))
    if entry is None:
        return [f"status {answer.status_code} is not described"]
    faults = [f"no header {name}" for name in entry.get("headers", {}) if name not in answer.headers]
    content = {kind.partition(";")[0]: value for kind, value in entry.get("content", {}).items()}
    if not content:
        return faults + (["a body that is not described"] if answer.data else [])
    if answer.mimetype not in content:
        return [*faults, f"media type {answer.mimetype} is not described"]
    if answer.mimetype.endswith("json"):
        faults += faults_of(document, content[answer.mimetype]["schema"], answer.json)
    return faults


def faults_of(document, schema, value):
    """Faults of a value by a schema of the document; keys that are not described are faults too."""
    components = {name: _closed(name, part) for name, part in document["components"]["schemas"].items()}
    whole = {**schema, "components": {"schemas": components}}
    validator = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
    return [f"{list(error.instance_path)}: {error.message}" for error in validator.iter_errors(value)]


def _closed(name, schema):
    if name in MAY_HOLD_MORE or "properties" not in schema:
        return schema
    return {"additionalProperties": False, **schema}
