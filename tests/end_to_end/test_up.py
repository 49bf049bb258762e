"""``studio up`` with the real processes: it comes up, keeps itself up, and leaves nothing."""

import contextlib
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
import psutil
import pytest

from tests.services import free_ports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

WAIT_S = 240  # for a machine that has much else to do


class Service:
    """One ``studio up``, and all the processes it ever had."""

    def __init__(self, folder, sockets):
        self.folder = folder
        self.port = free_ports(1)[0]
        self.environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("MLFLOW_", "_MLFLOW_", "PROMETHEUS_"))
            },
            "STUDIO_DATA_FOLDER": str(folder),
            "STUDIO_RUNTIME_FOLDER": str(sockets),
            "STUDIO_PORT": str(self.port),
        }
        self.process = self.start("up", stdout=subprocess.PIPE)
        self.seen = {}
        self.lines = queue.SimpleQueue()
        threading.Thread(target=self.hear, daemon=True).start()

    def hear(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put("")  # no more

    def start(self, *arguments, **pipes):
        command = [sys.executable, "-m", "studio.cli", *arguments]
        return subprocess.Popen(command, env=self.environment, cwd=self.folder, text=True, **pipes)

    def await_line(self, start):
        """Read what it says up to a line that begins so; returns that line."""
        lines = []
        with contextlib.suppress(queue.Empty):
            while line := self.lines.get(timeout=WAIT_S):
                if line.startswith(start):
                    return line
                lines.append(line)
        raise AssertionError(f"it never said {start!r}, only {lines}; {self.logs()}")

    def processes(self):
        """Its processes by a word of their command line; remembers all."""
        tree = psutil.Process(self.process.pid).children(recursive=True)
        self.seen |= {process.pid: process for process in tree}
        named = {"api": "gunicorn", "worker": "studio.cli worker"}
        found = {}
        for process in tree:
            with contextlib.suppress(psutil.NoSuchProcess):
                line = " ".join(process.cmdline())
                for name, part in named.items():
                    if part in line and process.ppid() == self.process.pid:
                        found[name] = process
        return found

    def await_process(self, name, *, other_than):
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            found = self.processes().get(name)
            if found is not None and found.pid != other_than:
                return found
            time.sleep(0.1)
        raise AssertionError(f"no new {name}; {self.logs()}")

    def left(self):
        """Processes that outlived it."""
        _, alive = psutil.wait_procs(list(self.seen.values()), timeout=30)
        return [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]

    def token(self):
        """An administrator's token."""
        return self.start("token", "create", "--lifetime", "7200", stdout=subprocess.PIPE).communicate()[0].strip()

    def get(self, path, **more):
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=60, trust_env=False, **more)

    def logs(self):
        return {path.name: path.read_text()[-3000:] for path in self.folder.glob("logs/*.log")}


@pytest.fixture
def service(tmp_path):
    with tempfile.TemporaryDirectory(prefix="st-", dir="/tmp") as sockets:
        service = Service(tmp_path, Path(sockets))
        yield service
        with contextlib.suppress(psutil.NoSuchProcess):
            service.processes()
        service.process.kill()
        service.process.wait()
        for process in service.left():
            process.kill()


def test_it_comes_up_keeps_itself_up_and_stops(service):
    service.await_line("Model Studio is ready")
    assert service.get("/readyz").json()["checks"]["queue"] == "ok"
    headers = {"Authorization": f"Bearer {service.token()}"}
    assert service.get("/api/v1/models", headers=headers).json()["total"] == 0
    assert "studio_http_requests_total" in service.get("/metrics").text

    second = service.start("up", stderr=subprocess.PIPE)
    assert str(service.process.pid) in second.communicate()[1]
    assert second.returncode == 1

    for name in ("api", "worker"):
        before = service.processes()[name]
        before.kill()
        assert "-9" in service.await_line(f"The {name} ended")
        service.await_process(name, other_than=before.pid)
        service.await_line("Ready again")
    assert service.get("/api/v1/models", headers=headers).status_code == 200

    service.processes()
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(WAIT_S) == 0
    assert service.left() == []
    with pytest.raises(httpx.ConnectError):
        service.get("/livez")


def test_nothing_outlives_a_killed_supervisor(service):
    service.await_line("Model Studio is ready")
    service.processes()
    assert len(service.seen) > 3  # API with its processes, worker with its fork server
    service.process.kill()
    service.process.wait()
    assert service.left() == []


def test_a_start_that_is_broken_off_leaves_nothing(service):
    service.await_process("api", other_than=None)
    service.await_process("worker", other_than=None)
    service.process.send_signal(signal.SIGINT)
    service.process.send_signal(signal.SIGINT)
    service.process.wait(WAIT_S)
    assert service.left() == []


def test_a_taken_port_is_told_at_once(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        environment = {**os.environ, "STUDIO_DATA_FOLDER": str(tmp_path), "STUDIO_PORT": str(port)}
        command = [sys.executable, "-m", "studio.cli", "up"]
        result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 1
    assert f"Port {port}" in result.stderr
