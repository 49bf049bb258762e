"""The OpenAPI document and the page that shows it."""

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import flask_swagger_ui
from flask import Flask, Response, send_from_directory
from flask_smorest import Api

from studio.version import VERSION
from studio.web.components import REFUSALS, register_components
from studio.web.json_schema import Plugin, let_null_in, take_null_out
from studio.web.links import link
from studio.web.operation import Operation

ASSETS = Path(flask_swagger_ui.__file__).parent / "dist"
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Model Studio API</title>
<link rel="stylesheet" href="/api/v1/docs/assets/swagger-ui.css">
<link rel="icon" href="/api/v1/docs/assets/favicon-32x32.png">
</head>
<body>
<div id="page"></div>
<script src="/api/v1/docs/assets/swagger-ui-bundle.js"></script>
<script src="/api/v1/docs/assets/page.js"></script>
</body>
</html>
"""
ABOUT = """From a table of data to a model in production, behind one API.

**Signing in.** Send `Authorization: Bearer <token>`: a token of your identity provider, of `studio token create`, or
of `POST /api/v1/auth/token` for an API key. A permission of the organization suffices, or on its model the role that
grants the same: a viewer reads, an editor writes too, an admin also deploys and manages collaborators.

**Errors** are problem bodies (RFC 9457): `code` is stable, `detail` says what is wrong and what would be right, and
each of `errors` points at its place in the body, or names a parameter.

**Repeating.** Every POST takes an `Idempotency-Key`, kept for 24 hours: the same call again is answered alike, and
nothing is done twice. `If-Match` with an `ETag` refuses a change to what has changed meanwhile.

**Lists** have `page` and `page_size`. **Times** are ISO 8601 in UTC. Clients ignore keys they do not know.
"""
BEARER = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "A token, without the word Bearer.",
}
TAGS = {  # in the order of the document: what each room is for
    "models": "Create, find, change, archive, duplicate and delete models; link the dataset one learns from.",
    "dashboard": "The organization at a glance.",
    "datasets": "Tables to learn from: upload, preview, profile.",
    "settings": "How a model is trained, shown and shared, and who is told.",
    "training": "Start and steer training runs, by hand or on a schedule.",
    "training_metrics": "What goes on in a run: curves, candidates, logs, importance of features, live stream.",
    "versions": "What runs made: compare, promote, roll back, restore.",
    "performance": "How good a version is: scores, matrices and curves, as numbers or drawn.",
    "deployments": "Have versions served: directly, to a part of the traffic, or beside it; roll back.",
    "predictions": "Try a version, and ask why it says what it says.",
    "inference_protocol": "Ask models in the words of KServe, Triton and MLServer: the Open Inference Protocol, v2.",
    "batch_predictions": "Predict every row of a dataset.",
    "downloads": "Take a model away.",
    "registry": "What deployment pipelines need, and every run.",
    "sharing": "Who may do what with a model.",
    "audit": "Who did what, in a chain of hashes.",
    "auth": "Tokens and API keys.",
    "organizations": "Members, and what holds for all models.",
    "health": "The service itself.",
}
SCRIPT = """window.ui = SwaggerUIBundle({
  url: "/api/v1/openapi.json", dom_id: "#page", deepLinking: true, docExpansion: "none", validatorUrl: null,
  persistAuthorization: true, defaultModelsExpandDepth: 0, tryItOutEnabled: true, filter: true,
  displayRequestDuration: true
});
"""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def make_api(app: Flask, public_url: str) -> Api:
    """flask-smorest set up for OpenAPI 3.1, without pages of its own: rooms register their blueprints on it."""
    app.config.update(
        API_TITLE="Model Studio",
        API_VERSION=VERSION,
        OPENAPI_VERSION="3.1.0",
        API_SPEC_OPTIONS={
            "info": {"description": ABOUT},
            "servers": [{"url": public_url}],
            "components": {"securitySchemes": {"bearer": BEARER}},
        },
    )
    api = Api(app, spec_kwargs={"marshmallow_plugin": Plugin()})
    register_components(api.spec)
    return api


def document_of(api: Api, operations: Iterable[Operation]) -> dict[str, Any]:
    """The OpenAPI document of every operation registered, with the links between them."""
    document: dict[str, Any] = copy.deepcopy(api.spec.to_dict())
    for item in document["paths"].values():
        item.pop("parameters", None)  # each operation has its own
        for entry in item.values():
            for parameter in entry["parameters"]:
                take_null_out(parameter.get("schema", {}))
    let_null_in(document)
    _tidy_components(document)
    _name_tags(document)
    link(document, operations)
    return document


def _name_tags(document: dict[str, Any]) -> None:
    """Rooms by readable names, in order, each with what it is for; one without operations is left out."""
    operations = [entry for item in document["paths"].values() for entry in item.values()]
    for entry in operations:
        entry["tags"] = [_readable(room) for room in entry["tags"]]
    used = {tag for entry in operations for tag in entry["tags"]}
    about = {_readable(room): text for room, text in TAGS.items()}
    names = [*(name for name in about if name in used), *sorted(used - about.keys())]
    document["tags"] = [{"name": name, "description": about.get(name, "")} for name in names]


def _readable(room: str) -> str:
    return room.replace("_", " ").capitalize()


def _tidy_components(document: dict[str, Any]) -> None:
    """Leave out what flask-smorest adds and nothing names, and let answers grow: clients ignore unknown keys."""
    parts, schemas = document["components"], document["components"]["schemas"]
    parts["responses"] = {name: parts["responses"][name] for name, _, _ in REFUSALS.values()}
    entries = [entry for item in document["paths"].values() for entry in item.values()]
    asked = _schemas_of([entry.get("requestBody") for entry in entries], document)
    answered = _schemas_of([entry["responses"] for entry in entries], document)
    parts["schemas"] = {name: schema for name, schema in schemas.items() if name in asked | answered}
    for name in answered - asked:
        if schemas[name].get("additionalProperties") is False:
            del schemas[name]["additionalProperties"]


def _schemas_of(node: Any, document: dict[str, Any]) -> set[str]:
    """Names of the schemas a part of the document leads to."""
    found: set[tuple[str, str]] = set()
    rest = [node]
    while rest:
        part = rest.pop()
        if isinstance(part, dict) and "$ref" in part:
            kind, name = part["$ref"].split("/")[-2:]
            if (kind, name) not in found:
                found.add((kind, name))
                rest.append(document["components"][kind][name])
        rest += part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    return {name for kind, name in found if kind == "schemas"}


def render_page() -> Response:
    """The page that shows the document; nothing on it comes from another host."""
    return Response(PAGE, mimetype="text/html", headers={"Content-Security-Policy": POLICY})


def install_assets(app: Flask) -> None:
    """Serve the page's scripts and styles."""

    @app.get("/api/v1/docs/assets/<path:name>")
    def docs_asset(name: str) -> Response:
        if name == "page.js":
            return Response(SCRIPT, mimetype="text/javascript")
        response = send_from_directory(ASSETS, name)
        response.headers["Cache-Control"] = "public, max-age=86400"
        return response
