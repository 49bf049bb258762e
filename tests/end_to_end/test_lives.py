"""What survives: runs over the death of their worker, clients over broken sockets, nothing of a broken upload."""

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.end_to_end.test_up import Service
from tests.factories import csv_of, parcels

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MODELS = "/api/v1/models"
TERMINAL = ("completed", "failed", "cancelled")
WAIT_S = 300


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with tempfile.TemporaryDirectory(prefix="st-", dir="/tmp") as sockets:
        service = Service(tmp_path_factory.mktemp("live"), Path(sockets))
        service.await_line("Model Studio is ready")
        yield service
        service.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            service.process.wait(60)
        service.process.kill()


@pytest.fixture(scope="module")
def token(service):
    return service.token()


@pytest.fixture(scope="module")
def api(service, token):
    with httpx.Client(
        base_url=f"http://127.0.0.1:{service.port}",
        headers={"Authorization": f"Bearer {token}"},
        timeout=120,
        trust_env=False,
    ) as client:
        yield client


@pytest.fixture(scope="module")
def dataset_id(api):
    files = {"file": ("parcels.csv", csv_of(parcels(2000)))}
    return api.post(f"{MODELS}/datasets", files=files).json()["id"]


def start_run(api, dataset_id, name, **search):
    config = {"target_column": "late", "search": search}
    body = {
        "name": name,
        "model_type": "auto",
        "task_type": "classification",
        "dataset_id": dataset_id,
        "config": config,
    }
    model_id = api.post(MODELS, json=body).json()["id"]
    return model_id, api.post(f"{MODELS}/{model_id}/train").json()["run_id"]


def follow(service, token, model_id, run_id, heard):
    """Every message of a run, over as many sockets as it takes."""
    after, deadline = 0, time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        url = f"ws://127.0.0.1:{service.port}{MODELS}/{model_id}/training-metrics/stream?run_id={run_id}&after={after}"
        with (
            contextlib.suppress(ConnectionClosed, OSError),
            connect(url, additional_headers={"Authorization": f"Bearer {token}"}, proxy=None) as opened,
        ):
            for raw in opened:
                message = json.loads(raw)
                if "seq" in message:
                    after = message["seq"]
                    heard.append(message)
                    if message["type"] in TERMINAL:
                        return
        time.sleep(0.2)
    raise AssertionError(f"run {run_id} did not end; {service.logs()}")


def wait_until(condition, what):
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"never: {what}")


def test_a_run_goes_on_after_its_worker_was_killed(service, api, token, dataset_id):
    model_id, run_id = start_run(api, dataset_id, "killed", max_trials=25, time_budget_seconds=None)
    heard = []
    listener = threading.Thread(target=follow, args=(service, token, model_id, run_id, heard))
    listener.start()
    wait_until(lambda: sum(message["type"] == "trial" for message in heard) >= 3, "three trials")
    worker = service.processes()["worker"]
    os.kill(worker.pid, signal.SIGKILL)
    service.await_process("worker", other_than=worker.pid)
    listener.join(WAIT_S)

    assert heard[-1]["type"] == "completed", heard[-3:]
    assert [message["seq"] for message in heard] == list(range(1, len(heard) + 1))
    numbers = [message["number"] for message in heard if message["type"] == "trial"]
    assert len(numbers) == len(set(numbers)), "a trial was told twice"
    assert any("going on" in m.get("message", "") or "goes on" in m.get("message", "") for m in heard)
    shares = [message["progress"] for message in heard if message["type"] == "progress"]
    assert shares == sorted(shares)
    run = api.get(f"{MODELS}/{model_id}/training-runs/{run_id}").json()
    assert (run["status"], run["version_produced"]) == ("completed", "ver-001")
    assert api.get(f"{MODELS}/{model_id}/versions").json()["total"] == 1


def test_a_running_run_is_cancelled_within_five_seconds(service, api, token, dataset_id):
    model_id, run_id = start_run(api, dataset_id, "cancelled", time_budget_seconds=600)
    run = f"{MODELS}/{model_id}/training-runs/{run_id}"
    wait_until(lambda: api.get(run).json()["phase"] == "algorithm_search", "the search")
    assert api.post(f"{run}/cancel").json()["pending_action"] == "cancel"
    asked = time.monotonic()
    wait_until(lambda: api.get(run).json()["status"] == "cancelled", "cancelled")
    assert time.monotonic() - asked < 5
    assert api.get(f"{MODELS}/{model_id}").json()["status"] == "draft"
    assert api.post(f"{run}/cancel").status_code == 409
    actions = [entry["action"] for entry in api.get(f"{MODELS}/{model_id}/audit-logs").json()["results"]]
    assert actions.count("model.training_cancelled") == 1


def test_a_timeout_keeps_the_best(api, dataset_id):
    model_id, _ = start_run(api, dataset_id, "waiting", max_trials=1)
    wait_until(lambda: api.get(f"{MODELS}/{model_id}").json()["status"] == "ready", "the first run")
    config = {"search": {"time_budget_seconds": None, "max_trials": None}}
    run_id = api.post(f"{MODELS}/{model_id}/train", json={"timeout_seconds": 15, "config_override": config}).json()[
        "run_id"
    ]
    run = wait_until(
        lambda: (found := api.get(f"{MODELS}/{model_id}/training-runs/{run_id}").json())["completed_at"] and found,
        "the end",
    )
    assert (run["status"], run["cancel_reason"]) == ("cancelled", "timeout")
    assert run["version_produced"] == "ver-002"


def test_a_promotion_by_an_mlflow_client_shows_up(service, api, token, dataset_id):
    model_id, _ = start_run(api, dataset_id, "elsewhere", max_trials=1)
    wait_until(lambda: api.get(f"{MODELS}/{model_id}").json()["status"] == "ready", "a version")
    script = (
        "import mlflow; c = mlflow.MlflowClient();"
        "c.set_registered_model_alias('elsewhere', 'production', '1');"
        "e = mlflow.set_experiment('by hand');"
        "r = mlflow.start_run(); mlflow.log_metric('m', 1.0); mlflow.log_text('hello', 'a.txt');"
        "print(mlflow.artifacts.load_text(r.info.artifact_uri + '/a.txt'))"
    )
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{service.port}/mlflow",
        "MLFLOW_TRACKING_TOKEN": token,
        "MLFLOW_ENABLE_WORKSPACES": "false",
    }
    environment = {name: value for name, value in environment.items() if not name.startswith("_MLFLOW")}
    environment.pop("MLFLOW_REGISTRY_URI", None)
    command = [service.process.args[0], "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert "hello" in done.stdout, done.stderr[-3000:]
    done_at = time.monotonic()
    promoted = wait_until(lambda: api.get(f"{MODELS}/{model_id}").json()["promoted_version_id"], "the promotion")
    assert time.monotonic() - done_at < 10
    assert promoted == "ver-001"
    entries = api.get(f"{MODELS}/{model_id}/audit-logs?action=model.version_promoted").json()["results"]
    assert [entry["actor"]["type"] for entry in entries] == ["mlflow"]


def test_nothing_stays_of_an_upload_whose_api_was_killed(service, api, token):
    before = api.get(f"{MODELS}/datasets").json()["total"]
    head, tail = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.csv"\r\n\r\n', b"\r\n--b--\r\n"
    content = io.BytesIO(csv_of(parcels(20000))).getvalue()
    with socket.create_connection(("127.0.0.1", service.port)) as half:
        half.sendall(
            (
                f"POST {MODELS}/datasets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
                f"Content-Type: multipart/form-data; boundary=b\r\n"
                f"Content-Length: {len(head) + len(content) + len(tail)}\r\n\r\n"
            ).encode()
            + head
            + content[: len(content) // 2]
        )
        time.sleep(1)
        master = service.processes()["api"]
        os.kill(master.pid, signal.SIGKILL)
    service.await_process("api", other_than=master.pid)

    def is_back():
        with contextlib.suppress(httpx.HTTPError):
            return api.get("/readyz").status_code == 200
        return False

    wait_until(is_back, "ready again")
    assert api.get(f"{MODELS}/datasets").json()["total"] == before
    folders = [folder for folder in service.folder.glob("uploads/*") if folder.is_dir()]
    assert [file for folder in folders for file in folder.rglob("*") if file.is_file()] == []
    kept = {path.parent.name for path in service.folder.glob("artifacts/datasets/*/*")}
    listed = {dataset["id"] for dataset in api.get(f"{MODELS}/datasets").json()["results"]}
    assert kept == listed
