"""The stream as it is served: by gunicorn with the settings that are shipped."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from tests.training_metrics.conftest import Listener

WORKERS, THREADS = 2, 8
ROOT = Path(__file__).parent.parent.parent
pytestmark = pytest.mark.slow


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def database_urls(tmp_path):
    """Databases that are not there yet: the API makes them."""
    return f"sqlite:///{tmp_path}/studio.db", f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture
def gunicorn(config, runtime):
    """The API's own processes on the test's database; gives its port and the master."""
    port = free_port()
    given = {
        "STUDIO_DATA_FOLDER": config.data_folder,
        "STUDIO_DATABASE_URL": config.database_url,
        "STUDIO_MLFLOW_DATABASE_URL": config.mlflow_database_url,
        "STUDIO_RUNTIME_FOLDER": config.runtime_folder,
        "STUDIO_SIGNING_SECRET": config.signing_secret.get_secret_value(),
        "STUDIO_PORT": port,
        "STUDIO_API_WORKERS": WORKERS,
        "STUDIO_API_THREADS": THREADS,
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW", "PROMETHEUS"))}
    command = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.conf.py", "wsgi:app"]
    environment = inherited | {name: str(value) for name, value in given.items()}
    master = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        wait_until_it_answers(port, master)
        yield port, master
    finally:
        master.kill()
        master.wait()


def wait_until_it_answers(port, master):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and master.poll() is None:
        try:
            requests.get(f"http://127.0.0.1:{port}/livez", timeout=5)
        except requests.ConnectionError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("gunicorn did not come up")


def url_of(port, story):
    return f"ws://127.0.0.1:{port}/api/v1/models/{story.model_id}/training-metrics/stream"


def test_listeners_of_all_processes_hear_the_same_until_the_service_stops(gunicorn, story, headers):
    port, master = gunicorn
    listeners = [Listener(url_of(port, story), headers()) for _ in range(6)]
    for listener in listeners:
        listener.__enter__()
    story.log(*(f"line {number}" for number in range(300)))
    for listener in listeners:
        assert listener.seqs(301) == list(range(1, 302))
    with Listener(url_of(port, story)) as stranger:
        assert stranger.rest() == ([], 4401, "unauthenticated")
    with Listener(url_of(port, story), headers()) as loud:
        loud.socket.send("x" * (1 << 20))
        assert loud.rest()[1:] == (1009, "message_too_large")
    began = time.monotonic()
    master.send_signal(signal.SIGTERM)
    for listener in listeners:
        assert listener.rest() == ([], 1012, "service_restart")
        listener.__exit__(None, None, None)
    assert master.wait(timeout=60) == 0
    assert time.monotonic() - began < 60


def test_more_sockets_than_request_threads_are_open_and_calls_are_answered(gunicorn, story, headers):
    port, _ = gunicorn
    with ExitStack() as stack:
        count = 3 * WORKERS * THREADS
        listeners = [stack.enter_context(Listener(url_of(port, story), headers())) for _ in range(count)]
        for listener in listeners:
            assert listener.seqs(1) == [1]
        story.log("heard by all")
        url = f"http://127.0.0.1:{port}/api/v1/models/{story.model_id}"
        for _ in range(2 * WORKERS):
            assert requests.get(url, headers=headers(), timeout=20).status_code == 200
        for listener in listeners:
            assert listener.seqs(1) == [2]
