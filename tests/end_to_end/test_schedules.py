"""A model that trains by itself in the real service, which is killed and started again."""

import contextlib
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import psutil
import pytest

from tests.end_to_end.test_lives import MODELS, TERMINAL, wait_until
from tests.end_to_end.test_up import Service
from tests.factories import csv_of, parcels

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def services(tmp_path):
    """Starts the service on one data folder, again and again; each start gives its API."""
    with contextlib.ExitStack() as open_until_the_end:
        token = None

        def start():
            nonlocal token
            sockets = open_until_the_end.enter_context(tempfile.TemporaryDirectory(prefix="st-", dir="/tmp"))
            service = Service(tmp_path, Path(sockets))
            open_until_the_end.callback(end, service)
            service.await_line("Model Studio is ready")
            if token is None:
                token = service.token()
            headers = {"Authorization": f"Bearer {token}"}
            api = httpx.Client(
                base_url=f"http://127.0.0.1:{service.port}", headers=headers, timeout=120, trust_env=False
            )
            return service, open_until_the_end.enter_context(api)

        yield start


def end(service):
    """Kill it with all it has."""
    with contextlib.suppress(psutil.NoSuchProcess):
        service.processes()
    service.process.kill()
    service.process.wait()
    assert service.left() == []


def test_a_run_a_minute_starts_before_and_after_the_service_was_killed(services):
    service, api = services()
    files = {"file": ("parcels.csv", csv_of(parcels(400)))}
    body = {
        "name": "by itself", "model_type": "auto", "task_type": "classification",
        "dataset_id": api.post(f"{MODELS}/datasets", files=files).json()["id"],
        "config": {
            "target_column": "late", "algorithm": "logistic_regression",
            "search": {"max_trials": 1, "time_budget_seconds": None},
        },
    }  # fmt: skip
    path = f"{MODELS}/{api.post(MODELS, json=body).json()['id']}"
    wanted = {"trigger": "cron", "cron": "* * * * *", "min_interval_seconds": 60, "run_label": "every minute 🕐"}
    put = api.put(f"{path}/training-schedule", json=wanted).json()
    assert put["last_run_id"] is None

    def schedule_after(last_run_id):
        schedule = api.get(f"{path}/training-schedule").json()
        return schedule if schedule["last_run_id"] != last_run_id else None

    def ended(run_id):
        run = api.get(f"{path}/training-runs/{run_id}").json()
        return run if run["status"] in TERMINAL else None

    first = wait_until(lambda: schedule_after(None), "the first scheduled run")
    run = wait_until(lambda: ended(first["last_run_id"]), "its end")
    assert (run["status"], run["trigger"], run["created_by"]) == ("completed", "schedule", "system"), run
    assert run["run_label"] == wanted["run_label"]
    due, begun = (datetime.fromisoformat(text) for text in (put["next_run_at"], run["created_at"]))
    assert timedelta(0) <= begun - due < timedelta(seconds=30)
    assert datetime.fromisoformat(first["next_run_at"]) - due == timedelta(minutes=1)

    end(service)
    service, api = services()
    kept = api.get(f"{path}/training-schedule").json()
    assert {name: kept[name] for name in wanted} == wanted
    second = wait_until(lambda: schedule_after(first["last_run_id"]), "the next scheduled run")
    run = wait_until(lambda: ended(second["last_run_id"]), "its end")
    assert run["version_produced"] == "ver-002"
    used = api.get(f"{path}/training-metrics/details", params={"run_id": run["run_id"]}).json()["resource_usage"]
    assert 20 < used["peak_memory_mb"] < 8000
    assert used["peak_cpu_percent"] > 0
    assert used["worker_type"].startswith("cpu-")
    assert api.get(path).json()["promoted_version_id"] is None
    log = api.get(f"{path}/audit-logs", params={"action": "model.training_started"}).json()["results"]
    assert {entry["actor"]["type"] for entry in log} == {"system"}
    assert {entry["details"]["run_id"] for entry in log} >= {first["last_run_id"], second["last_run_id"]}
