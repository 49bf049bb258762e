"""Models taken away from the real service, and what they predict elsewhere: with MLflow alone, and with onnxruntime."""

import csv
import io
import json
import os
import re
import subprocess
import sys
import time
import zipfile
from importlib import metadata
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
from packaging.requirements import Requirement

from tests.end_to_end.test_up import WAIT_S
from tests.factories import csv_of, parcels

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

README = Path(__file__).parents[2] / "README.md"
MODELS = "/api/v1/models"
FEATURES = ["distance_km", "weight_kg", "carrier", "is_fragile", "sent_at"]
ALGORITHMS = {"late": "auto", "delay_h": "xgboost"}
# Where nothing of ours can be imported: the editable installation is found through a finder of its own.
ALONE = """
import importlib.util, json, sys
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
sys.path = [entry for entry in sys.path if entry]
assert importlib.util.find_spec("studio") is None
import mlflow.pyfunc, pandas as pd
model = mlflow.pyfunc.load_model(sys.argv[1])
raw, found = model.get_raw_model(), []
rows = pd.read_parquet(sys.argv[2])
for place in range(len(rows)):  # one at a time, as the service was asked: products of many rows round otherwise
    row = rows.iloc[[place]]
    shares = raw.predict_proba(row).tolist()[0] if hasattr(raw, "predict_proba") else None
    told = None if shares is None else dict(zip(raw.classes_.tolist(), shares))
    found.append({"prediction": model.predict(row).tolist()[0], "probabilities": told})
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def table():
    frame = parcels(400)
    sent = pd.Timestamp("2025-03-01") + pd.to_timedelta(np.arange(len(frame)) * 7.3, unit="h")
    frame["sent_at"] = sent.round("s").astype(str)
    for place, name in enumerate(FEATURES):
        frame[name] = frame[name].astype(object)
        frame.loc[place :: 11 + place, name] = None
    return frame


@pytest.fixture(scope="module", params=list(ALGORITHMS))
def trained(request, api, table):
    """Path of a trained model whose version is promoted."""
    target = request.param
    files = {"file": ("parcels.csv", csv_of(table[[*FEATURES, target]]))}
    body = {
        "name": f"Parcels {target}",
        "model_type": "auto",
        "task_type": "classification" if target == "late" else "regression",
        "dataset_id": api.post(f"{MODELS}/datasets", files=files).json()["id"],
        "config": {
            "target_column": target, "algorithm": ALGORITHMS[target], "export_onnx": True,
            "search": {"max_trials": 8, "time_budget_seconds": None},
        },
    }  # fmt: skip
    path = f"{MODELS}/{api.post(MODELS, json=body).json()['id']}"
    run, deadline = api.post(f"{path}/train").json(), time.monotonic() + WAIT_S
    while run["status"] not in ("completed", "failed", "cancelled"):
        assert time.monotonic() < deadline, run
        time.sleep(0.5)
        run = api.get(f"{path}/training-runs/{run['run_id']}").json()
    assert run["version_produced"] == "ver-001", run
    assert api.post(f"{path}/versions/ver-001/promote").status_code == 200
    return path


@pytest.fixture(scope="module")
def rows(table):
    """Rows with gaps in every column, and with values no training saw."""
    chosen = table[FEATURES].head(15).copy()
    chosen.loc[1, "carrier"], chosen.loc[2, "distance_km"] = "nobody's", -5e6
    return chosen


@pytest.fixture(scope="module")
def answered(api, trained, rows):
    """What the service itself says of each row."""
    found = []
    for row in json.loads(rows.to_json(orient="records")):
        answer = api.post(f"{trained}/test", json={"inputs": row})
        assert answer.status_code == 200, answer.text
        found.append(answer.json())
    return found


def fetch(api, trained, format):
    link = api.get(f"{trained}/download", params={"format": format})
    assert link.status_code == 200, link.text
    return httpx.get(link.json()["download_url"], trust_env=False).raise_for_status().content


def test_the_mlflow_folder_predicts_what_the_service_does(api, trained, rows, answered, tmp_path):
    zipfile.ZipFile(io.BytesIO(fetch(api, trained, "mlflow"))).extractall(tmp_path / "model")
    typed = rows.assign(
        sent_at=pd.to_datetime(rows["sent_at"]), is_fragile=rows["is_fragile"].astype(object),
        **{name: rows[name].astype(float) for name in ("distance_km", "weight_kg")},
    )  # fmt: skip
    typed.to_parquet(tmp_path / "rows.parquet")
    command = [sys.executable, "-c", ALONE, str(tmp_path / "model"), str(tmp_path / "rows.parquet")]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout.splitlines()[-1])
    assert found == [{name: answer[name] for name in ("prediction", "probabilities")} for answer in answered]


@pytest.fixture
def bare_packages(tmp_path):
    """A folder with numpy and onnxruntime, what they need, and nothing else."""
    folder, waiting, seen = tmp_path / "packages", ["numpy", "onnxruntime"], set()
    folder.mkdir()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for file in metadata.files(name) or ():
            top = file.parts[0]
            if top != ".." and not (folder / top).exists():
                (folder / top).symlink_to(Path(file.locate()).parents[len(file.parts) - 1] / top)
        needs = [Requirement(text) for text in metadata.requires(name) or ()]
        waiting += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    assert not (folder / "sklearn").exists()
    return folder


def test_the_readme_s_script_scores_with_onnx_what_the_service_does(
    api, trained, rows, answered, bare_packages, tmp_path
):
    section = README.read_text().split("\n## Score elsewhere, with ONNX\n")[1].split("\n## ")[0]
    (script,) = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    (tmp_path / "score.py").write_text(script)
    (tmp_path / "model.onnx").write_bytes(fetch(api, trained, "onnx"))
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        csv.writer(file).writerows([FEATURES, *rows.fillna("").to_numpy().tolist()])
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(bare_packages)}
    command = [sys.executable, "-S", "score.py", "model.onnx", "rows.csv"]
    told = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    found = [json.loads(line) for line in told.stdout.splitlines()]
    if answered[0]["probabilities"] is None:
        np.testing.assert_allclose([one["prediction"] for one in found], [a["prediction"] for a in answered], rtol=1e-5)
        return
    assert [one["prediction"] for one in found] == [answer["prediction"] for answer in answered]
    for one, answer in zip(found, answered, strict=True):
        assert one["probabilities"] == pytest.approx(answer["probabilities"], abs=1e-5)


def test_a_version_shows_its_largest_difference(api, trained):
    artifacts = api.get(f"{trained}/versions/ver-001").json()["artifacts"]
    check = artifacts["onnx_check"]
    assert check["passed"], check
    assert 0 <= check["max_difference"] <= check["tolerance"]
    assert check["rows"] >= 60
    assert artifacts["onnx_file"].endswith("/v1/model.onnx")
