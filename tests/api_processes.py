"""The API as it is served: gunicorn's processes, with the settings that are shipped."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

WORKERS, THREADS = 2, 8
ROOT = Path(__file__).parent.parent


@pytest.fixture
def database_urls(tmp_path):
    """Databases that are not there yet: the API makes them."""
    return f"sqlite:///{tmp_path}/studio.db", f"sqlite:///{tmp_path}/mlflow.db"


@contextlib.contextmanager
def api_processes(config, **settings):
    """Processes on a test's database; gives their port and the master.

    Args:
        config: The test's settings.
        **settings: What differs from them and from the defaults.
    """
    port = free_port()
    given = {
        "data_folder": config.data_folder,
        "database_url": config.database_url,
        "mlflow_database_url": config.mlflow_database_url,
        "runtime_folder": config.runtime_folder,
        "signing_secret": config.signing_secret.get_secret_value(),
        "port": port,
        "api_workers": WORKERS,
        "api_threads": THREADS,
        **settings,
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW", "PROMETHEUS"))}
    command = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.conf.py", "wsgi:app"]
    environment = inherited | {f"STUDIO_{name.upper()}": str(value) for name, value in given.items()}
    master = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        wait_until_it_answers(port, master)
        yield port, master
    finally:
        master.kill()
        master.wait()


def wait_until_it_answers(port, master):
    """Wait until a server answers."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and master.poll() is None:
        try:
            requests.get(f"http://127.0.0.1:{port}/livez", timeout=5)
        except requests.ConnectionError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("gunicorn did not come up")


def free_port():
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
