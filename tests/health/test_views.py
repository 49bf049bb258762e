"""What the routes add: statuses, media types, the document of all the others."""

import re

import pytest
import schemathesis
from pydantic import SecretStr

from studio.app import create_app
from studio.runtime import Runtime
from studio.training import service as training


def test_alive(client):
    answer = client.get("/livez")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def test_not_ready_without_a_worker_and_ready_with_one(app, open_stores, clock):
    answer = app.test_client().get("/readyz")
    assert (answer.status_code, answer.json["status"]) == (503, "failed")
    assert answer.json["checks"]["queue"] == "failed"
    with open_stores() as stores:
        training.beat(stores.db, "worker-1", now=clock())
    app.extensions.pop("studio_probes")  # its answers hold for a second
    answer = app.test_client().get("/readyz")
    assert answer.json["checks"]["queue"] == "ok"
    assert set(answer.json["checks"]) == {"database", "artifact_store", "mlflow", "queue", "sandbox"}


def test_figures_name_routes_and_not_what_was_asked_for(client, headers):
    client.get("/api/v1/models/mdl-00c0ffee", headers=headers())
    answer = client.get("/metrics", headers={"Accept": "application/openmetrics-text, text/plain;version=0.0.4"})
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    figures = answer.get_data(as_text=True)
    assert re.search(
        r'studio_http_requests_total\{method="GET",route="/api/v1/models/<model_id>",status="404"\}', figures
    )
    assert "mdl-00c0ffee" not in figures


@pytest.mark.parametrize(("header", "code"), [(None, "token_missing"), ("Bearer other", "token_invalid")])
def test_figures_behind_a_token(config, clock, header, code):
    config = config.model_copy(update={"metrics_token": SecretStr("scrape")})
    client = create_app(config, Runtime(config, clock=clock)).test_client()
    assert client.get("/metrics", headers={"Authorization": "Bearer scrape"}).status_code == 200
    answer = client.get("/metrics", headers={"Authorization": header} if header else {})
    assert (answer.status_code, answer.json["code"]) == (401, code)
    assert "WWW-Authenticate" in answer.headers


def test_the_document_is_valid_and_names_every_route(app):
    document = app.test_client().get("/api/v1/openapi.json").json
    assert document["openapi"] == "3.1.0"
    schemathesis.openapi.from_dict(document).validate()
    described = {(path, method) for path, entry in document["paths"].items() for method in entry}
    for rule in app.url_map.iter_rules():
        if rule.websocket or rule.endpoint == "docs_asset" or "_alias_" in rule.endpoint:
            continue
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            assert (path, method.lower()) in described, f"{method} {rule.rule} is not described"


def test_the_document_has_every_operation_id_once(client):
    paths = client.get("/api/v1/openapi.json").json["paths"]
    ids = [entry["operationId"] for item in paths.values() for entry in item.values() if "operationId" in entry]
    assert len(ids) == len(set(ids))
    assert {"service.livez", "service.readyz", "service.metrics", "service.openapi", "service.docs"} <= set(ids)


def test_the_page_takes_nothing_from_another_host(client):
    answer = client.get("/api/v1/docs", headers={"Accept": "text/html,*/*;q=0.1"})
    page = answer.get_data(as_text=True)
    assert answer.mimetype == "text/html"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert addresses
    for address in addresses:
        assert client.get(address).status_code == 200, address


def test_the_document_says_where_null_may_stand(client):
    document = client.get("/api/v1/openapi.json").json
    status = parameter_of(document, "/api/v1/models", "status")
    assert status["type"] == "string"
    assert set(status["enum"]) == {"draft", "training", "ready", "archived", "failed"}

    def check(node):
        if isinstance(node, dict):
            assert node.get("default", "") is not None
            assert "enum" not in node or "null" not in node.get("type", ()) or None in node["enum"]
        for item in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            check(item)

    check(document)


def parameter_of(document, path, name):
    return next(item["schema"] for item in document["paths"][path]["get"]["parameters"] if item["name"] == name)
