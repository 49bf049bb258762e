"""The container image: every step of the Dockerfile carried out in an empty Debian, and what comes of it used."""

import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.end_to_end.image import BUILDS_IMAGES, Image, make_base
from tests.services import free_ports

ROOT = Path(__file__).parent.parent.parent
WAIT_S = 240

pytestmark = BUILDS_IMAGES


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    folder = tmp_path_factory.mktemp("image")
    context = folder / "context"
    context.mkdir()
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", str(context)], input=archive, check=True)
    make_base(folder / "base")
    yield Image(folder / "base", context, folder).build((context / "Dockerfile").read_text())
    shutil.rmtree(folder, ignore_errors=True)


def test_the_image_serves_is_healthy_and_stops(image):
    port = str(free_ports(1)[0])
    process = subprocess.Popen(image.inside(image.command, STUDIO_PORT=port), stdout=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + WAIT_S
        while subprocess.run(image.inside(image.health_check, STUDIO_PORT=port), capture_output=True).returncode:
            assert process.poll() is None, process.stdout.read()
            assert time.monotonic() < deadline, "it never became healthy"
            time.sleep(1)
        told = image.inside(["studio", "token", "create"], STUDIO_PORT=port)
        assert subprocess.run(told, check=True, capture_output=True, text=True).stdout.count(".") == 2
    finally:
        for first in psutil.Process(process.pid).children():  # process 1 of the image, as an engine would
            first.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


def test_nothing_in_it_runs_as_root_or_can_be_changed_by_the_service(image):
    told = subprocess.run(image.inside(["id", "-u"]), check=True, capture_output=True, text=True)
    assert told.stdout.strip() == "10001"
    for path in ("/opt/model-studio/wsgi.py", "/opt/venv/bin/studio", "/etc/passwd"):
        assert subprocess.run(image.inside(["sh", "-c", f"echo >> {path}"]), capture_output=True).returncode != 0
