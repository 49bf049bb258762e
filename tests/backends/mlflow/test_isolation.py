"""Every open route of MLflow's server, called by one organization with the ids of another."""

import sqlite3

import httpx
import pytest
from mlflow.server import app as mlflow_app

from studio.backends.mlflow.routes import Access, access_of, template_of
from tests.backends.mlflow.serving import running_server

SECRET = "confidential"
OPEN = (Access.READ, Access.WRITE)
NOT_JSON = ("upload-artifact", "mlflow-artifacts", "static-files")


def fill_acme(server):
    """One object of each kind in ``acme``, each holding the secret; gives the ids."""
    with httpx.Client(base_url=f"{server}/mlflow", headers={"Authorization": "Bearer acme-token"}) as http:

        def post(path, body, method="POST"):
            answer = http.request(method, path, json=body)
            assert answer.status_code == 200, (path, answer.text)
            return answer.json()

        old, new = "/api/2.0/mlflow", "/api/3.0/mlflow"
        experiment_id = post(f"{old}/experiments/create", {"name": f"{SECRET} experiment"})["experiment_id"]
        run = post(f"{old}/runs/create", {"experiment_id": experiment_id, "run_name": f"{SECRET} run"})["run"]
        run_id = run["info"]["run_id"]
        post(f"{old}/runs/log-parameter", {"run_id": run_id, "key": "p", "value": SECRET})
        post(f"{old}/runs/set-tag", {"run_id": run_id, "key": "t", "value": SECRET})
        post(f"{old}/runs/log-metric", {"run_id": run_id, "key": SECRET, "value": 1, "timestamp": 1, "step": 0})
        artifact = f"{experiment_id}/{run_id}/artifacts/report.txt"
        http.put(f"{old}-artifacts/artifacts/{artifact}", content=SECRET).raise_for_status()
        name = f"{SECRET} model"
        post(f"{old}/registered-models/create", {"name": name, "description": SECRET})
        source = f"runs:/{run_id}/model"
        post(f"{old}/model-versions/create", {"name": name, "source": source, "run_id": run_id})
        post(f"{old}/registered-models/alias", {"name": name, "alias": "production", "version": "1"})
        logged = {"experiment_id": experiment_id, "name": f"{SECRET} logged", "source_run_id": run_id}
        model_id = post(f"{old}/logged-models", logged)["model"]["info"]["model_id"]
        location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment_id}}
        info = {
            "trace_id": "tr-1",
            "trace_location": location,
            "request_time": "2026-05-03T07:00:00Z",
            "state": "OK",
            "request_preview": SECRET,
            "tags": {"t": SECRET},
        }
        post(f"{new}/traces", {"trace": {"trace_info": info}})
        dataset = post(f"{new}/datasets/create", {"name": f"{SECRET} data", "experiment_ids": [experiment_id]})
        dataset_id = dataset["dataset"]["dataset_id"]
        return {
            "experiment_id": experiment_id,
            "experiment_ids": [experiment_id],
            "run_id": run_id,
            "run_uuid": run_id,
            "run_ids": [run_id],
            "name": name,
            "version": "1",
            "model_id": model_id,
            "trace_id": "tr-1",
            "trace_ids": ["tr-1"],
            "request_id": "tr-1",
            "request_ids": ["tr-1"],
            "dataset_id": dataset_id,
            "dataset_ids": [dataset_id],
            "artifact_path": artifact,
        }


def rows_of(database):
    """Every row of every table but the list of workspaces."""
    with sqlite3.connect(database) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            (table, row)
            for table in tables
            if table != "workspaces"
            for row in connection.execute(f'SELECT * FROM "{table}"')
        }


@pytest.mark.slow
@pytest.mark.parametrize("token", ["borealis-token", "acme-blind"])
def test_no_open_route_gives_or_changes_what_its_caller_may_not_see(mlflow_connection, tmp_path, token):
    with running_server(mlflow_connection) as server:
        ids = fill_acme(server)
        before = rows_of(tmp_path / "mlflow.db")
        assert sum(SECRET in str(row) for row in before) > 10
        leaking = call_every_route(server, token, ids)
        assert len(call_every_route(server, "acme-reader", ids)) > 20

    assert leaking == []
    assert before <= rows_of(tmp_path / "mlflow.db")
    [report] = (tmp_path / "artifacts" / "workspaces" / "acme").rglob("report.txt")
    assert report.read_text() == SECRET


def call_every_route(server, token, ids, methods=("GET", "POST", "PUT", "PATCH", "DELETE")):
    """Call each open route with all the ids; gives those whose answers held the secret."""
    body = {
        **ids,
        "key": "t",
        "value": "changed",
        "alias": "production",
        "new_name": "changed",
        "experiment_name": ids["name"].replace("model", "experiment"),
        "path": "report.txt",
        "artifact_file_path": "report.txt",
        "metric_key": SECRET,
        "stage": "Production",
        "status": "FAILED",
        "max_results": 10,
        "max_timestamp_millis": 9999999999999,
        "locations": [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": ids["experiment_id"]}}],
        "query": "{ mlflowGetRun(input: {runId: RUN}) { run { info { runName } } } }".replace(
            "RUN", f'"{ids["run_id"]}"'
        ),
    }
    leaking, called = [], 0
    headers = {"Authorization": f"Bearer {token}", "X-MLFLOW-WORKSPACE": "acme"}
    with httpx.Client(base_url=server, headers=headers, timeout=30) as http:
        for rule in mlflow_app.url_map.iter_rules():
            for method in sorted(rule.methods & set(methods)):
                template = template_of(rule.rule)
                if access_of(method, template) not in OPEN:
                    continue
                path = rule.rule
                for argument in rule.arguments:
                    spelled = f"<path:{argument}>" if f"<path:{argument}>" in path else f"<{argument}>"
                    path = path.replace(spelled, str(ids.get(argument, "t")))
                given = {"params": body} if method == "GET" else {"params": {"run_uuid": ids["run_id"], "path": "x"}}
                if method != "GET":
                    given |= {"content": b"changed"} if template.startswith(NOT_JSON) else {"json": body}
                answer = http.request(method, path, **given)
                called += 1
                echo = answer.text.replace(ids["name"], "").replace(body["experiment_name"], "")
                if answer.status_code < 400 and SECRET in echo:
                    leaking.append((method, rule.rule))
    assert called > 50
    return leaking
