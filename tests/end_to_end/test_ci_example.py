"""The script of the README's section "Promote from CI", run as it stands there against the real processes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.factories import csv_of, parcels

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

README = Path(__file__).parents[2] / "README.md"
MODELS = "/api/v1/models"


@pytest.fixture(scope="module")
def api_key(api):
    made = api.post("/api/v1/auth/api-keys", json={"name": "CI", "permissions": ["model:read", "model:write"]})
    assert made.status_code == 201, made.text
    return made.json()["api_key"]


@pytest.fixture(scope="module")
def model_id(api):
    files = {"file": ("parcels.csv", csv_of(parcels(300)))}
    plan = {"algorithm": "logistic_regression", "target_column": "late", "search": {"max_trials": 2}}
    body = {
        "name": "Late delivery risk",
        "model_type": "auto",
        "task_type": "classification",
        "dataset_id": api.post(f"{MODELS}/datasets", files=files).json()["id"],
        "config": plan,
    }
    return api.post(MODELS, json=body).json()["id"]


@pytest.fixture
def script(tmp_path):
    """The script, taken out of the README."""
    section = README.read_text().split("\n## Promote from CI\n")[1].split("\n## ")[0]
    (text,) = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    path = tmp_path / "promote.py"
    path.write_text(text)
    return path


@pytest.fixture
def run_script(service, script, api_key, model_id):
    def run(metric, min_value, *, port=service.port, key=api_key):
        environment = {"PATH": os.environ["PATH"], "STUDIO_URL": f"http://127.0.0.1:{port}", "STUDIO_API_KEY": key}
        command = [sys.executable, "-I", str(script), model_id, metric, str(min_value)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400, check=False)

    return run


def test_a_version_that_is_good_enough_is_promoted_and_a_bad_one_is_not(run_script, api, model_id):
    good = run_script("accuracy", 0.5)
    assert good.returncode == 0, (good.stdout, good.stderr)
    assert good.stdout.startswith("ver-001 is in production: accuracy 0.")

    bad = run_script("accuracy", 1.01)
    assert bad.returncode == 1
    assert "FAILED: min_value of accuracy must be 1.01, is 0." in bad.stdout
    assert "passed: min_improvement_over_promoted of accuracy must be 0" in bad.stdout
    assert "gate_failed" in bad.stderr
    assert "Traceback" not in bad.stderr

    held = api.get(f"{MODELS}/{model_id}/versions/history").json()["results"]
    assert [(tenure["version_id"], tenure["reason"]) for tenure in held] == [("ver-001", "passed the gate in CI")]
    assert held[0]["promoted_by"].startswith("svc-")


@pytest.mark.parametrize(
    ("arguments", "lacking"),
    [([], None), (["mdl-1", "accuracy"], None), (["mdl-1", "accuracy", "high"], None),
     (["mdl-1", "accuracy", "0.8"], "STUDIO_URL"), (["mdl-1", "accuracy", "0.8"], "STUDIO_API_KEY")],
)  # fmt: skip
def test_a_call_that_lacks_something_is_told_how_it_goes(script, arguments, lacking):
    environment = {"STUDIO_URL": "http://127.0.0.1:9", "STUDIO_API_KEY": "msk_1"}
    environment.pop(lacking, None)
    command = [sys.executable, "-I", str(script), *arguments]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "promote.py MODEL_ID METRIC MIN_VALUE" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_wrong_key_and_a_service_that_is_not_there_are_told(run_script):
    wrong = run_script("accuracy", 0.5, key="msk_00000000_none")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "invalid_api_key" in wrong.stderr
    absent = run_script("accuracy", 0.5, port=9)
    assert (absent.returncode, "does not answer" in absent.stderr) == (1, True)
