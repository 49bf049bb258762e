"""The docker-context download: its steps carried out in an empty Debian, and a prediction asked of what comes of it."""

import io
import json
import signal
import subprocess
import time
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from tests.end_to_end.image import BUILDS_IMAGES, Image, make_base
from tests.factories import make_model, parcels
from tests.services import free_ports
from tests.versions.factories import FEATURES, add_model_version, classifier

WAIT_S = 240

pytestmark = BUILDS_IMAGES


@pytest.fixture
def context(open_stores, client, headers, tmp_path):
    """The unpacked download of a version."""
    with open_stores() as stores:
        model = make_model(stores)
    with open_stores() as stores:
        add_model_version(stores, model, classifier())
    query = {"version_id": "ver-001", "format": "docker-context"}
    link = client.get(f"/api/v1/models/{model.id}/download", headers=headers(), query_string=query).json
    content = client.get(urlsplit(link["download_url"]).path).data
    zipfile.ZipFile(io.BytesIO(content)).extractall(tmp_path / "context")
    return tmp_path / "context"


def test_the_image_predicts_what_the_model_does(context, tmp_path):
    make_base(tmp_path / "base")
    image = Image(tmp_path / "base", context, tmp_path / "image").build((context / "Dockerfile").read_text())
    (port,) = free_ports(1)
    command = [part.replace("8080", str(port)) for part in image.command]
    process = subprocess.Popen(image.inside(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        health = [part.replace("8080", str(port)) for part in image.health_check]
        deadline = time.monotonic() + WAIT_S
        while subprocess.run(image.inside(health), capture_output=True).returncode:
            assert process.poll() is None, process.stdout.read()
            assert time.monotonic() < deadline, "it never became healthy"
            time.sleep(1)
        rows = parcels()[FEATURES].dropna().head(8)
        body = {"dataframe_records": json.loads(rows.to_json(orient="records"))}
        answer = httpx.post(f"http://127.0.0.1:{port}/invocations", json=body, trust_env=False, timeout=60)
        assert answer.status_code == 200, answer.text
        assert answer.json()["predictions"] == classifier().predict(rows).tolist()
        told = subprocess.run(image.inside(["id", "-u"]), check=True, capture_output=True, text=True)
        assert told.stdout.strip() == "10001"
    finally:
        for first in psutil.Process(process.pid).children():  # process 1 of the image, as an engine would
            first.send_signal(signal.SIGTERM)
    process.wait(60)
    assert Path(context / "README.md").read_text().count("/invocations") == 1
