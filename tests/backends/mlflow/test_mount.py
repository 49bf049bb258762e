"""MLflow behind the guard, as real MLflow clients and browsers of two organizations see it."""

import json
from pathlib import Path

import httpx
import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.server import app as mlflow_app

from studio.backends.mlflow.entrance import CHOICES, VERSION_OF_CHOICES
from studio.backends.mlflow.registry import Registry
from studio.backends.mlflow.routes import Access, access_of, template_of
from tests.backends.mlflow.serving import running_server


@pytest.fixture
def server(mlflow_connection):
    with running_server(mlflow_connection) as address:
        yield address


@pytest.fixture
def call(server):
    """Plain HTTP below /mlflow with a token."""
    with httpx.Client(base_url=server, timeout=30) as client:

        def call(method, path, token="acme-token", **given):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            return client.request(method, f"/mlflow{path}", headers=headers | given.pop("headers", {}), **given)

        yield call


@pytest.fixture
def client_of(server, monkeypatch):
    """A real MLflow client holding a token."""

    def client_of(token):
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", token)
        return MlflowClient(tracking_uri=f"{server}/mlflow", registry_uri=f"{server}/mlflow")

    return client_of


def log_something(client, tmp_path, name="Late"):
    """A run with a param, a metric and a file, a version of it, and an alias; returns the run's id."""
    experiment_id = client.create_experiment(name)
    run_id = client.create_run(experiment_id).info.run_id
    client.log_param(run_id, "depth", 7)
    client.log_metric(run_id, "auc", 0.9)
    (tmp_path / "report.txt").write_text("confidential")
    client.log_artifact(run_id, str(tmp_path / "report.txt"), "reports")
    client.create_registered_model(name)
    client.create_model_version(name, f"runs:/{run_id}/reports", run_id=run_id)
    client.set_registered_model_alias(name, "production", "1")
    return run_id


def test_a_real_client_logs_registers_and_reads_back(client_of, registry, tmp_path):
    client = client_of("acme-token")

    run_id = log_something(client, tmp_path)

    run = client.get_run(run_id)
    assert (run.data.params, run.data.metrics) == ({"depth": "7"}, {"auc": 0.9})
    assert run.info.artifact_uri.startswith("mlflow-artifacts:/workspaces/acme/")
    assert [file.path for file in client.list_artifacts(run_id, "reports")] == ["reports/report.txt"]
    assert Path(client.download_artifacts(run_id, "reports/report.txt", str(tmp_path))).read_text() == "confidential"
    assert client.get_model_version_by_alias("Late", "production").run_id == run_id
    assert [found.name for found in client.search_registered_models()] == ["Late"]
    version = registry.get_version("Late", 1)
    assert (version.algorithm, version.is_promoted, version.mlflow_run_id) == ("external", True, run_id)


def test_another_organization_sees_nothing_of_it(client_of, call, tmp_path):
    run_id = log_something(client_of("acme-token"), tmp_path)
    other = client_of("borealis-token")

    assert other.search_registered_models() == []
    assert [experiment.name for experiment in other.search_experiments()] == []
    assert other.search_runs(["1"]) == []
    for act in (
        lambda: other.get_run(run_id),
        lambda: other.get_experiment("1"),
        lambda: other.get_model_version("Late", "1"),
        lambda: other.set_tag(run_id, "a", "b"),
        lambda: other.delete_run(run_id),
        lambda: other.list_artifacts(run_id),
    ):
        with pytest.raises(MlflowException, match=r"(?i)not found|not exist|no run|no experiment"):
            act()
    for path in ("workspaces/acme/1", f"1/{run_id}/artifacts/reports/report.txt", "../acme/1"):
        answer = call("GET", f"/api/2.0/mlflow-artifacts/artifacts/{path}", "borealis-token")
        assert answer.status_code in (400, 404)
        assert "confidential" not in answer.text
    answer = call("GET", f"/get-artifact?run_uuid={run_id}&path=reports/report.txt", "borealis-token")
    assert (answer.status_code, "confidential" in answer.text) == (404, False)


def test_the_workspace_header_of_a_client_is_not_believed(client_of, call, tmp_path):
    log_something(client_of("acme-token"), tmp_path)

    answer = call(
        "GET",
        "/api/2.0/mlflow/registered-models/get?name=Late",
        "borealis-token",
        headers={"X-MLFLOW-WORKSPACE": "acme"},
    )

    assert answer.status_code == 404


def test_the_pages_and_their_files_load(call):
    index = call("GET", "/")

    assert index.status_code == 200
    scripts = [part.split('"')[0] for part in index.text.split('src="')[1:]]
    assert scripts
    for script in scripts:
        assert call("GET", "/" + script.removeprefix("/mlflow/").removeprefix("./")).status_code == 200
    assert call("GET", "/health").text == "OK"
    assert index.headers["X-Frame-Options"] == "SAMEORIGIN"


def test_everything_else_is_ours(server):
    assert httpx.get(f"{server}/anything").text == "ours"
    assert httpx.get(f"{server}/mlflowish").text == "ours"
    assert httpx.get(f"{server}/mlflow").headers["Location"] == "/mlflow/"


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("wrong", 401), ("acme-nothing", 403)])
def test_callers_without_a_token_or_permission_are_refused(call, token, status):
    for path in ("/", "/health", "/static-files/x.js", "/api/2.0/mlflow/experiments/search", "/nothing"):
        answer = call("GET", path, token)
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")


def test_a_reader_reads_and_does_not_write(client_of, tmp_path):
    run_id = log_something(client_of("acme-token"), tmp_path)
    reader = client_of("acme-reader")

    assert reader.get_run(run_id).info.run_id == run_id
    assert len(reader.search_runs(["1"])) == 1
    assert reader.get_latest_versions("Late")[0].run_id == run_id
    for act in (
        lambda: reader.set_tag(run_id, "a", "b"),
        lambda: reader.create_experiment("x"),
        lambda: reader.log_artifact(run_id, str(tmp_path / "report.txt")),
        lambda: reader.delete_registered_model_alias("Late", "production"),
    ):
        with pytest.raises(Exception, match=r"403|model:write"):
            act()


def test_a_ticket_opens_a_session_that_reads_and_writes_from_its_own_pages_alone(server, call):
    with httpx.Client(base_url=server) as browser:
        opened = browser.get("/mlflow/?ticket=acme-token", follow_redirects=False)
        assert (opened.status_code, opened.headers["Cache-Control"]) == (200, "no-store")
        assert 'data-workspace="acme"' in opened.text
        assert "ticket" not in opened.text
        cookie = opened.headers["Set-Cookie"]
        assert {"HttpOnly", "SameSite=Strict", "Path=/mlflow", "Max-Age=600"} <= set(cookie.split("; "))
        assert "Secure" not in cookie
        assert browser.get("/mlflow/").status_code == 200

        def create(name, **headers):
            path = "/mlflow/ajax-api/2.0/mlflow/experiments/create"
            return browser.post(path, json={"name": name}, headers=headers).status_code

        assert create("a", **{"Sec-Fetch-Site": "same-origin"}) == 200
        assert create("b", Origin=server) == 200
        assert create("c") == 403
        assert create("d", Origin="http://evil.example") == 403
        assert create("e", **{"Sec-Fetch-Site": "same-site", "Origin": server}) == 403
    assert call("GET", "/?ticket=wrong", None).status_code == 401


def test_the_session_cookie_is_secure_wherever_it_can_be(call):
    forwarded = call("GET", "/?ticket=acme-token", None, headers={"X-Forwarded-Proto": "https"})
    elsewhere = call("GET", "/?ticket=acme-token", None, headers={"Host": "studio.example"})

    assert "Secure" in forwarded.headers["Set-Cookie"]
    assert "Secure" in elsewhere.headers["Set-Cookie"]


def test_what_is_chosen_for_a_browser_is_what_mlflows_pages_look_for():
    pages = Path(mlflow.server.__file__).parent / "js" / "build" / "static" / "js"
    texts = [file.read_text() for file in pages.rglob("*.js")]
    for name in CHOICES:
        assert any(f'"{name}"' in text for text in texts), name
    assert any("${e}_v${t}" in text and "localStorage" in text for text in texts)
    assert any(f'"mlflow.workflowType",version:{VERSION_OF_CHOICES}' in text for text in texts)
    assert any('"/experiments"' in text for text in texts)


def test_every_route_of_mlflow_is_decided():
    undecided = [
        (method, rule.rule)
        for rule in mlflow_app.url_map.iter_rules()
        for method in rule.methods
        if access_of(method, template_of(rule.rule)) is Access.UNDECIDED
    ]

    # A route whose spelling in MLflow lacks a slash; it stays refused.
    assert {rule for _, rule in undecided} <= {
        "/mlflow/api/2.0mlflow/experiments/search-datasets",
        "/mlflow/ajax-api/2.0mlflow/experiments/search-datasets",
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/2.0/mlflow/webhooks"),
        ("POST", "/api/2.0/mlflow/webhooks"),
        ("GET", "/api/3.0/mlflow/gateway/secrets/list"),
        ("POST", "/ajax-api/2.0/mlflow/gateway-proxy"),
        ("POST", "/ajax-api/3.0/mlflow/demo/generate"),
        ("POST", "/ajax-api/3.0/mlflow/scorer/invoke"),
        ("POST", "/api/3.0/mlflow/scorers/register"),
        ("POST", "/api/3.0/mlflow/workspaces"),
        ("DELETE", "/api/3.0/mlflow/workspaces/acme"),
        ("PATCH", "/api/3.0/mlflow/workspaces/acme"),
        ("POST", "/api/2.0/mlflow-artifacts/mpu/create/1/x"),
        ("GET", "/api/2.0/mlflow-artifacts/presigned/1/x"),
        ("POST", "/ajax-api/3.0/mlflow/ui-telemetry"),
        ("GET", "/build/index.html"),
    ],
)
def test_what_reaches_past_the_organization_is_refused(call, method, path):
    answer = call(method, path, json={} if method != "GET" else None)

    assert answer.status_code in (403, 404)
    if not path.startswith("/build"):
        assert answer.json()["code"] == "forbidden"


def test_the_callers_workspace_is_the_only_one(call):
    call("GET", "/health", "borealis-token")

    listed = call("GET", "/ajax-api/3.0/mlflow/workspaces").json()["workspaces"]
    assert [workspace["name"] for workspace in listed] == ["acme"]
    assert call("GET", "/api/3.0/mlflow/workspaces/acme").json()["workspace"]["name"] == "acme"
    assert call("GET", "/api/3.0/mlflow/workspaces/borealis").status_code == 404


def test_the_server_tells_clients_to_send_files_through_it(call):
    info = call("GET", "/api/3.0/mlflow/server-info").json()

    assert info["workspaces_enabled"] is True
    assert (info["multipart_uploads_enabled"], info["multipart_downloads_enabled"]) == (False, False)


@pytest.mark.parametrize("spelling", ["artifact_location", "artifactLocation"])
def test_a_client_does_not_choose_where_artifacts_lie(call, spelling):
    for place in ("mlflow-artifacts:/workspaces/borealis/1", "/etc", "s3://bucket/x"):
        body = {"name": "x", spelling: place}
        assert call("POST", "/api/2.0/mlflow/experiments/create", json=body).status_code == 403
        again = call("POST", "/api/2.0/mlflow/experiments/create", json=json.dumps(body))
        assert again.status_code == 403


def test_a_version_is_made_of_the_organizations_own_files_alone(client_of, call, tmp_path):
    theirs = log_something(client_of("borealis-token"), tmp_path, "Theirs")
    own = log_something(client_of("acme-token"), tmp_path)
    for source, run_id in [
        ("s3://bucket/workspaces/borealis/1", own),
        ("file:///etc", own),
        ("/etc", own),
        ("https://evil.example/model", own),
        (f"runs:/{theirs}/reports", theirs),
        (f"mlflow-artifacts:/workspaces/borealis/1/{theirs}/artifacts/reports", own),
        ("models:/Theirs/1", own),
    ]:
        body = {"name": "Late", "source": source, "run_id": run_id}
        answer = call("POST", "/api/2.0/mlflow/model-versions/create", json=body)
        assert answer.status_code in (400, 404), source


def test_a_client_does_not_forge_the_marks_of_the_service(client_of, call, tmp_path):
    client = client_of("acme-token")
    run_id = log_something(client, tmp_path)

    for act in (
        lambda: client.set_model_version_tag("Late", "1", "studio.trained_by", "somebody"),
        lambda: client.delete_model_version_tag("Late", "1", "studio.trained_by"),
        lambda: client.set_registered_model_tag("Late", "studio.model_id", "mdl-00000001"),
        lambda: client.create_registered_model("x", tags={"studio.model_id": "mdl-00000001"}),
        lambda: client.create_experiment("x", tags={"studio.model_id": "mdl-00000001"}),
        lambda: client.set_tag(run_id, "studio.run_id", "run-20260503-9f31aa"),
        lambda: client.log_batch(run_id, tags=[mlflow.entities.RunTag("studio.run_id", "x")]),
    ):
        with pytest.raises(MlflowException, match="kept by the service"):
            act()
    client.log_param(run_id, "studio.x", "a param may be named so")
    for version in ("2.0", "3.0"):
        body = {"key": "mlflow.artifactLocation", "value": "mlflow-artifacts:/workspaces/borealis/1"}
        answer = call("PATCH", f"/api/{version}/mlflow/traces/tr-1/tags", json=body)
        assert answer.status_code == 403


def test_a_client_copies_a_version_without_the_marks_of_the_service(client_of, registry, tmp_path):
    client = client_of("acme-token")
    log_something(client, tmp_path)
    client.set_model_version_tag("Late", "1", "theirs", "yes")
    with registry._bound() as own:
        own.set_model_version_tag("Late", "1", "studio.digest", '"0123"')

    made = client.copy_model_version("models:/Late/1", "Copies")

    assert made.tags == {"theirs": "yes"}
    assert registry.get_version("Copies", 1).is_external
    assert registry.list_model_files("Copies", 1) == [("report.txt", 12)]


def test_a_models_names_change_in_model_studio_alone(client_of, registry):
    registry.create_model("Kept", model_id="mdl-00000001")
    client = client_of("acme-token")
    experiment_id = client.get_experiment_by_name("Kept").experiment_id

    for act in (
        lambda: client.delete_registered_model("Kept"),
        lambda: client.rename_registered_model("Kept", "x"),
        lambda: client.delete_experiment(experiment_id),
        lambda: client.rename_experiment(experiment_id, "x"),
    ):
        with pytest.raises(MlflowException, match="belongs to"):
            act()
    client.delete_experiment(client.create_experiment("own"))
    client.create_registered_model("own")
    client.delete_registered_model("own")


def test_models_a_caller_may_not_see_are_absent(client_of, call, tmp_path):
    run_id = log_something(client_of("acme-token"), tmp_path, "Secret")
    log_something(client_of("acme-token"), tmp_path, "Late")
    other = client_of("acme-other")

    assert [found.name for found in other.search_registered_models()] == ["Late"]
    assert [found.name for found in other.search_experiments()] == ["Late"]
    assert [found.name for found in other.search_model_versions()] == ["Late"]
    assert other.search_runs(["1"]) == []
    assert other.get_experiment_by_name("Secret") is None
    for act in (
        lambda: other.get_run(run_id),
        lambda: other.get_experiment("1"),
        lambda: other.get_registered_model("Secret"),
        lambda: other.get_model_version("Secret", "1"),
        lambda: other.get_model_version_by_alias("Secret", "production"),
        lambda: other.set_tag(run_id, "a", "b"),
        lambda: other.set_model_version_tag("Secret", "1", "a", "b"),
        lambda: other.create_run("1"),
        lambda: other.list_artifacts(run_id),
        lambda: other.get_metric_history(run_id, "auc"),
    ):
        with pytest.raises(MlflowException):
            act()
    for path in (
        f"1/{run_id}/artifacts/reports/report.txt",
        f"workspaces/acme/1/{run_id}/artifacts/reports/report.txt",
    ):
        assert call("GET", f"/api/2.0/mlflow-artifacts/artifacts/{path}").text == "confidential"
        assert call("GET", f"/api/2.0/mlflow-artifacts/artifacts/{path}", "acme-other").status_code == 404
        assert call("DELETE", f"/api/2.0/mlflow-artifacts/artifacts/{path}", "acme-other").status_code == 404
    for folder in ("", "workspaces/acme", "1"):
        listing = call("GET", f"/api/2.0/mlflow-artifacts/artifacts?path={folder}", "acme-other")
        assert listing.status_code == 404


def test_deleted_models_are_absent_before_they_are_purged(client_of, registry):
    registry.create_model("Late", model_id="mdl-00000001")
    retired = registry.delete_model("Late")
    client = client_of("acme-token")

    assert client.search_experiments(view_type=mlflow.entities.ViewType.ALL) == []
    with pytest.raises(MlflowException):
        client.restore_experiment(retired)


def test_mlflow_does_not_answer_unguarded(mlflow_connection, server):
    answer = mlflow_app.test_client().get("/mlflow/api/2.0/mlflow/experiments/search?max_results=5")

    assert answer.status_code == 403
    assert Registry(mlflow_connection, "acme").list_entries() == []
