"""Forecasts and clusters: trained, promoted, asked and evaluated through the API of a running service."""

import contextlib
import subprocess
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest

from tests.end_to_end.test_up import Service
from tests.factories import csv_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MODELS = "/api/v1/models"


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    with tempfile.TemporaryDirectory(prefix="st-", dir="/tmp") as sockets:
        service = Service(tmp_path_factory.mktemp("tasks"), Path(sockets))
        service.await_line("Model Studio is ready")
        headers = {"Authorization": f"Bearer {service.token()}"}
        with httpx.Client(
            base_url=f"http://127.0.0.1:{service.port}", headers=headers, timeout=120, trust_env=False
        ) as client:
            yield client
        service.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            service.process.wait(60)
        service.process.kill()


def train(api, frame, task, **config):
    dataset = api.post(f"{MODELS}/datasets", files={"file": ("table.csv", csv_of(frame))}).json()["id"]
    body = {"name": task, "model_type": "auto", "task_type": task, "dataset_id": dataset, "config": config}
    model = f"{MODELS}/{api.post(MODELS, json=body).json()['id']}"
    run = api.post(f"{model}/train").json()["run_id"]
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        found = api.get(f"{model}/training-runs/{run}").json()
        if found["status"] in ("completed", "failed", "cancelled"):
            assert found["status"] == "completed", found["failure"]
            promoted = api.post(f"{model}/versions/{found['version_produced']}/promote", json={})
            assert promoted.status_code == 200, promoted.text
            return model, found
        time.sleep(0.5)
    raise AssertionError("the run did not end")


def test_a_forecast_goes_the_whole_way(api):
    rng = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=200, freq="D")
    sold = 50 + np.array([0, 1, 2, 3, 8, 12, 5])[np.arange(200) % 7] + rng.normal(0, 1, 200)
    frame = pd.DataFrame({"day": days.strftime("%Y-%m-%d"), "sold": sold.round(2)})
    model, _ = train(
        api, frame, "time_series", target_column="sold", time_column="day", horizon=7,
        search={"max_trials": 3, "time_budget_seconds": None},
    )  # fmt: skip
    summary = api.get(f"{model}/performance/summary").json()
    assert (summary["task_type"], summary["primary_metric"]) == ("time_series", "mase")
    assert summary["metrics"]["mase"] < 0.6
    assert summary["confidence_intervals"]["mase"]
    points = api.get(f"{model}/performance/residuals").json()["points"]
    assert [point["timestamp"] for point in points] == sorted(point["timestamp"] for point in points)
    assert api.get(f"{model}/performance/slices", params={"by": "day"}).json()["slices"][0]["metrics"]["mase"]
    assert api.get(f"{model}/performance/confusion-matrix").status_code == 422
    found = api.post(f"{model}/test", json={"inputs": {"day": "2024-07-20"}}).json()
    assert 55 < found["prediction"] < 68, found
    tried = {
        trial["algorithm"] for trial in api.get(f"{model}/training-metrics/hyperparameters").json()["automl_candidates"]
    }
    assert {"naive", "seasonal_naive"} <= tried


def test_clusters_go_the_whole_way(api):
    rng = np.random.default_rng(0)
    group = np.arange(300) % 3
    frame = pd.DataFrame({"width": group * 10 + rng.normal(0, 1, 300), "height": rng.normal(0, 1, 300)}).round(3)
    model, _ = train(api, frame, "clustering", search={"max_trials": 5, "time_budget_seconds": None})
    summary = api.get(f"{model}/performance/summary").json()
    assert (summary["task_type"], summary["primary_metric"]) == ("clustering", "silhouette")
    assert set(summary["metrics"]) == {"silhouette", "calinski_harabasz", "davies_bouldin"}
    assert summary["confidence_intervals"] == {}
    for name in ("confusion-matrix", "roc-curve", "residuals", "slices?by=width", "calibration", "lift", "threshold"):
        refused = api.get(f"{model}/performance/{name}")
        assert (refused.status_code, refused.json()["code"]) == (422, "not_applicable"), name
    asked = [{"width": 0.0, "height": 0.0}, {"width": 20.0, "height": 0.0}, {"width": 0.5, "height": None}]
    found = [api.post(f"{model}/test", json={"inputs": inputs}).json()["prediction"] for inputs in asked]
    assert found[0] == found[2] != found[1]
    assert all(isinstance(cluster, int) for cluster in found)
