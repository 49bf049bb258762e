"""Real servers on loopback, each with all its processes: ours, and MLflow's own as its users start it."""

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

READY_WITHIN_S = 180.0  # for a machine that has much else to do
STOPS_WITHIN_S = 30.0
LOOK_EVERY_S = 0.02
MEGABYTE = 1 << 20
READY = {"up": "/readyz", "api": "/livez"}  # without a worker the API is not ready for all it offers
OTHERS = ("STUDIO_", "MLFLOW_", "_MLFLOW_", "MAKE", "MFLAGS", "VIRTUAL_ENV", "PYTHON", "PROMETHEUS_")


class Server:
    """A server that is started as a command and is ready once a path answers 200.

    Attributes:
        name: For messages.
        port: Where it listens.
    """

    def __init__(self, name, command, *, port, ready_path, folder, **environment):
        self.name, self.port = name, port
        self._command, self._ready_path, self._folder = command, ready_path, folder
        self._environment = {**plain_environment(), **environment}
        self._output = folder / f"{name}.out"
        self._process = None
        self._seen = {}

    @contextlib.contextmanager
    def running(self):
        """It runs within this block; gives the seconds it took to be ready."""
        try:
            yield self._start()
        finally:
            self._stop()

    def processes(self):
        """All its processes."""
        root = psutil.Process(self._process.pid)
        found = [root, *root.children(recursive=True)]
        self._seen |= {process.pid: process for process in found}
        return found

    def memory(self):
        """Its processes: their number, MB with shared pages counted once (PSS), MB with them counted in each (RSS)."""
        pss = rss = count = 0
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                info = process.memory_full_info()
                pss, rss, count = pss + info.pss, rss + info.rss, count + 1
        return {"processes": count, "pss_mb": pss / MEGABYTE, "rss_mb": rss / MEGABYTE}

    def run(self, *arguments):
        """The output of a command of ours with its environment."""
        command = [sys.executable, "-m", "studio.cli", *arguments]
        return subprocess.run(command, env=self._environment, check=True, capture_output=True, text=True).stdout.strip()

    @contextlib.contextmanager
    def beside(self, module, *arguments):
        """A Python module runs as a process of its own with the server's environment; gives it, with its output."""
        command = [sys.executable, "-m", module, *(str(argument) for argument in arguments)]
        with subprocess.Popen(command, env=self._environment, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield process
            finally:
                process.kill()

    def _start(self):
        self._seen = {}
        with self._output.open("ab") as output:
            started = time.monotonic()
            self._process = subprocess.Popen(
                self._command, env=self._environment, cwd=self._folder, stdout=output, stderr=output
            )
        while not answers(self.port, self._ready_path):
            if self._process.poll() is not None:
                raise SystemExit(f"{self.name} ended with {self._process.returncode}:\n{self._last_output()}")
            if time.monotonic() - started > READY_WITHIN_S:
                raise SystemExit(f"{self.name} was not ready within {READY_WITHIN_S:.0f} s:\n{self._last_output()}")
            time.sleep(LOOK_EVERY_S)
        return time.monotonic() - started

    def _stop(self):
        if self._process is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            self.processes()
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOPS_WITHIN_S)
        left = [process for process in self._seen.values() if process.is_running()]
        _, left = psutil.wait_procs(left, timeout=5)
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()

    def _last_output(self):
        return self._output.read_text(errors="replace")[-3000:]


def studio_server(folder, *, command="up", **settings):
    """Our whole service, as ``studio up`` starts it, or the API alone, on a data folder.

    Args:
        folder: An existing folder with a short path; the data go to ``data`` in it.
        command: What to start: ``up``, or ``api`` for the API alone.
        **settings: Settings by name, other than the defaults.
    """
    port = free_port()
    named = {"data_folder": folder / "data", "runtime_folder": folder / "run", "port": port, **settings}
    return Server(
        "studio", [sys.executable, "-m", "studio.cli", command], port=port, ready_path=READY[command], folder=folder,
        **{f"STUDIO_{name.upper()}": str(value) for name, value in named.items()},
        PYTHONPATH=str(Path(__file__).resolve().parents[2]),
    )  # fmt: skip


def mlflow_server(folder, *options, name="mlflow", **environment):
    """MLflow's own server with the SQLite file ``mlflow.db`` in a folder, ready once it answers from its tables."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), *options]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    path = "/api/2.0/mlflow/experiments/get?experiment_id=0"
    environment = {"MLFLOW_DISABLE_TELEMETRY": "true", **environment}  # nothing leaves this machine
    return Server(name, command, port=port, ready_path=path, folder=folder, **environment)


def plain_environment():
    """This process's environment without what would change how a server or ``make`` behaves."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}


@contextlib.contextmanager
def temporary_folder():
    """A folder with a path short enough for sockets; gone at the end, also when this process is asked to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def answers(port, path):
    """Whether a server answers 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def free_port():
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
