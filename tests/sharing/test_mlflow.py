"""A model's privacy and roles behind the MLflow mount, as MLflow's own client sees them."""

import threading
import uuid
from pathlib import Path

import httpx
import pytest
from mlflow import MlflowClient
from mlflow.entities import TraceInfo, TraceLocation, TraceState
from mlflow.entities.model_registry import RegisteredModel
from mlflow.exceptions import MlflowException
from requests import HTTPError
from werkzeug.serving import make_server

from studio.collaborators import service as roles
from studio.domain.permissions import Role
from studio.models import service as models
from tests.factories import make_model
from tests.mlflow_store import point_mlflow_server_at

EVERYTHING = ("model:read", "model:write", "model:deploy", "dataset:read", "dataset:write")


@pytest.fixture
def server(app, runtime):
    point_mlflow_server_at(runtime.connection)
    running = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}/mlflow"
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.fixture
def client_of(server, token, monkeypatch):
    """An MLflow client of a caller."""

    def client_of(user, permissions=(), **claims):
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", token(user=user, permissions=list(permissions), **claims))
        return MlflowClient(tracking_uri=server, registry_uri=server)

    return client_of


@pytest.fixture
def owner(client_of):
    return lambda: client_of("user-1", ["organization:admin"])


@pytest.fixture
def ids(open_stores, owner, tmp_path):
    """A private model of ``user-1`` with a run, a version, a logged model and a trace; and a model all may see."""
    with open_stores() as stores:
        model = make_model(stores, "Secret")
        models.update_settings(stores, model.id, {"access": {"visibility": "private"}})
        make_model(stores, "Open")
    client = owner()
    experiment_id = client.get_experiment_by_name("Secret").experiment_id
    run_id = client.create_run(experiment_id).info.run_id
    client.log_metric(run_id, "auc", 0.9)
    (tmp_path / "report.txt").write_text("confidential")
    client.log_artifact(run_id, str(tmp_path / "report.txt"), "reports")
    client.create_model_version("Secret", f"runs:/{run_id}/reports", run_id=run_id)
    client.set_registered_model_alias("Secret", "production", "1")
    logged = client.create_logged_model(experiment_id, name="net")
    place = TraceLocation.from_experiment_id(experiment_id)
    trace = TraceInfo(f"tr-{uuid.uuid4().hex}", place, request_time=1, state=TraceState.OK, request_preview="asked")
    client._tracing_client.start_trace(trace)
    return {
        "model": model.id,
        "experiment": experiment_id,
        "run": run_id,
        "logged": logged.model_id,
        "trace": trace.trace_id,
    }


def look_ups(client, ids, folder):
    return {
        "experiment": lambda: client.get_experiment(ids["experiment"]),
        "run": lambda: client.get_run(ids["run"]),
        "history": lambda: client.get_metric_history(ids["run"], "auc"),
        "files": lambda: client.list_artifacts(ids["run"]),
        "download": lambda: client.download_artifacts(ids["run"], "reports/report.txt", str(folder)),
        "registered": lambda: client.get_registered_model("Secret"),
        "version": lambda: client.get_model_version("Secret", "1"),
        "alias": lambda: client.get_model_version_by_alias("Secret", "production"),
        "address": lambda: client.get_model_version_download_uri("Secret", "1"),
        "logged": lambda: client.get_logged_model(ids["logged"]),
        "trace": lambda: client._tracing_client.get_trace_info(ids["trace"]),
    }


def changes(client, ids, folder):
    (folder / "note.txt").write_text("mine")
    return {
        "metric": lambda: client.log_metric(ids["run"], "auc", 0.1),
        "param": lambda: client.log_param(ids["run"], "depth", 3),
        "tag": lambda: client.set_tag(ids["run"], "mine", "yes"),
        "file": lambda: client.log_artifact(ids["run"], str(folder / "note.txt")),
        "run": lambda: client.create_run(ids["experiment"]),
        "experiment tag": lambda: client.set_experiment_tag(ids["experiment"], "mine", "yes"),
        "alias": lambda: client.set_registered_model_alias("Secret", "mine", "1"),
        "version tag": lambda: client.set_model_version_tag("Secret", "1", "mine", "yes"),
        "version": lambda: client.create_model_version("Secret", f"runs:/{ids['run']}/reports", run_id=ids["run"]),
        "logged": lambda: client.create_logged_model(ids["experiment"], name="mine"),
        "trace tag": lambda: client.set_trace_tag(ids["trace"], "mine", "yes"),
    }


def those_that_work(calls):
    worked = []
    for name, call in calls.items():
        try:
            call()
            worked.append(name)
        except (MlflowException, HTTPError):  # the latter of files
            continue
    return worked


def names_in(client):
    experiments = [one.name for one in client.search_experiments()]
    return experiments, [one.name for one in client.search_registered_models() if isinstance(one, RegisteredModel)]


def test_an_outsider_finds_nothing_of_a_private_model(client_of, ids, tmp_path):
    outsider = client_of("user-2", EVERYTHING)
    experiments, registered = names_in(outsider)
    assert ("Secret" in experiments, registered) == (False, ["Open"])
    assert outsider.search_runs([ids["experiment"]]) == []
    assert outsider.search_logged_models([ids["experiment"]]) == []
    assert outsider.search_model_versions("name = 'Secret'") == []
    assert outsider.search_traces(locations=[ids["experiment"]]) == []
    assert those_that_work(look_ups(outsider, ids, tmp_path)) == []
    assert those_that_work(changes(outsider, ids, tmp_path)) == []


def test_the_pages_own_routes_tell_an_outsider_nothing(server, token, ids):
    headers = {"Authorization": f"Bearer {token(user='user-2', permissions=list(EVERYTHING))}"}
    query = 'query { mlflowGetRun(input: {runId: "%s"}) { run { info { runId } data { metrics { key value } } } } }'
    with httpx.Client(base_url=server, headers=headers, timeout=30) as client:
        told = [
            client.post("/graphql", json={"query": query % ids["run"]}),
            client.get("/ajax-api/2.0/mlflow/runs/get", params={"run_id": ids["run"]}),
            client.get("/get-artifact", params={"run_uuid": ids["run"], "path": "reports/report.txt"}),
            client.get("/ajax-api/2.0/mlflow/metrics/get-history", params={"run_id": ids["run"], "metric_key": "auc"}),
            client.post("/ajax-api/2.0/mlflow/runs/search", json={"experiment_ids": [ids["experiment"]]}),
            client.get("/ajax-api/3.0/mlflow/traces/get", params={"trace_id": ids["trace"]}),
            client.get("/ajax-api/2.0/mlflow/registered-models/get", params={"name": "Secret"}),
        ]
    for answer in told:
        assert "confidential" not in answer.text
        assert "0.9" not in answer.text
        assert "asked" not in answer.text
        assert '"run_uuid"' not in answer.text


def test_a_viewers_role_suffices_to_read_its_model_and_no_other(client_of, open_stores, ids, tmp_path):
    with open_stores() as stores:
        roles.grant_role(stores, ids["model"], "user-3", Role.VIEWER)
    viewer = client_of("user-3")
    assert names_in(viewer) == (["Secret"], ["Secret"])
    calls = look_ups(viewer, ids, tmp_path)
    assert those_that_work(calls) == list(calls)
    assert Path(calls["download"]()).read_text() == "confidential"
    assert len(viewer.search_runs([ids["experiment"]])) == 1
    assert those_that_work(changes(viewer, ids, tmp_path)) == []
    assert those_that_work({"open": lambda: viewer.get_registered_model("Open")}) == []


def test_an_editors_role_suffices_to_change_its_model_and_no_other(client_of, open_stores, ids, tmp_path):
    with open_stores() as stores:
        roles.grant_role(stores, ids["model"], "user-4", Role.EDITOR)
    editor = client_of("user-4")
    calls = changes(editor, ids, tmp_path)
    assert those_that_work(calls) == list(calls)
    elsewhere = {
        "experiment": lambda: editor.create_experiment("Mine"),
        "registered": lambda: editor.create_registered_model("Mine"),
        "alias": lambda: editor.set_registered_model_alias("Open", "mine", "1"),
        "tag": lambda: editor.set_registered_model_tag("Open", "mine", "yes"),
    }
    assert those_that_work(elsewhere) == []


def test_a_reader_of_the_organization_changes_only_where_a_role_lets_it(client_of, open_stores, ids, tmp_path):
    with open_stores() as stores:
        roles.grant_role(stores, ids["model"], "user-5", Role.EDITOR)
    reader = client_of("user-5", ["model:read"])
    assert names_in(reader)[1] == ["Open", "Secret"]
    assert those_that_work({"tag": lambda: reader.set_registered_model_tag("Open", "mine", "yes")}) == []
    assert those_that_work({"tag": lambda: reader.set_registered_model_tag("Secret", "mine", "yes")}) == ["tag"]


def test_a_role_never_widens_what_a_key_may_do(client_of, open_stores, ids, tmp_path):
    with open_stores() as stores:
        roles.grant_role(stores, ids["model"], "user-6", Role.OWNER)
    key = client_of("user-6", api_key="key-decade01")
    assert those_that_work(look_ups(key, ids, tmp_path)) == []
    reading = client_of("user-6", ["model:read"], api_key="key-decade01")
    assert those_that_work(changes(reading, ids, tmp_path)) == []


def test_visibility_and_roles_hold_from_the_next_request(client, headers, client_of, open_stores, ids):
    reader = client_of("user-7", ["model:read"])
    look = {"run": lambda: reader.get_run(ids["run"])}
    assert those_that_work(look) == []
    for visibility, seen in (("org", ["run"]), ("private", [])):
        body = {"access": {"visibility": visibility}}
        path = f"/api/v1/models/{ids['model']}/settings"
        assert client.patch(path, headers=headers(), json=body).status_code == 200
        assert those_that_work(look) == seen
