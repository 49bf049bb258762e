"""``studio up``: the API and a worker on this machine, kept running, stopped as one.

It imports neither MLflow nor the application: it is up at once, and the two import theirs at the same time. On the
embedded default they also bring the databases up to date themselves, whoever comes first.
"""

import contextlib
import fcntl
import http.client
import os
import shlex
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from studio.config import BadConfig, Config, child_environment
from studio.supervision import Child

STOP_WITHIN_S = 15.0
LOOK_EVERY_S = 0.1
GIVE_UP_AFTER = 5  # failures of one child before the service was ready for the first time
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
ENDING = (signal.SIGTERM, signal.SIGINT)
Say = Callable[[str], None]


class CannotRun(Exception):
    """The service cannot be started here; the message says why."""


@contextlib.contextmanager
def only_one(data_folder: Path) -> Iterator[None]:
    """Hold a data folder for this process; let go of by the kernel, however it ends.

    Raises:
        CannotRun: Another ``studio up`` holds it.
    """
    path = data_folder / "up.lock"
    with path.open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            holder = handle.read().strip() or "unknown"
            raise CannotRun(f"The service already runs on {data_folder} (process {holder}).") from None
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield


def check_port(host: str, port: int) -> None:
    """Raises CannotRun when the API could not listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CannotRun(
                f"Port {port} of {host} cannot be used ({error.strerror}); "
                "end what listens there, or choose another with --port or STUDIO_PORT."
            ) from error


class Supervisor:
    """Runs the children until told to end."""

    def __init__(self, config: Config, *, log_to_stderr: bool, say: Say) -> None:
        """
        Args:
            config: The settings, folders made.
            log_to_stderr: Whether the children's log lines go there; else into files below the data folder.
            say: Tells people something in a line.
        """
        self._config, self._say = config, say
        self._is_ready = self._was_ready = False
        environment = child_environment(
            STUDIO_DATA_FOLDER=str(config.data_folder), STUDIO_HOST=config.host, STUDIO_PORT=str(config.port)
        )

        def child(name: str, *arguments: str) -> Child:
            log = None if log_to_stderr else config.data_folder / "logs" / f"{name}.log"
            return Child(name, [sys.executable, "-m", "studio.cli", *arguments], environment, log)

        self._children = (child("api", "api"), child("worker", "worker"))
        self._upgrade = child("upgrade", "db", "upgrade")

    def run(self) -> int:
        """Start everything, keep it running, stop it on SIGTERM or SIGINT; a second one kills.

        Returns:
            Exit status: 0 when it was told to end, 1 when it gave up.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            if not self._config.is_embedded and not self._bring_up_to_date():
                return 1
            for child in self._children:
                child.start()
            return self._watch()
        finally:
            for child in (*self._children, self._upgrade):
                child.kill()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _bring_up_to_date(self) -> bool:
        self._upgrade.start()
        while (code := self._upgrade.look()) is None:
            if _next_signal() in ENDING:
                return False
        if code:
            self._say(f"The databases could not be brought up to date.\n{self._upgrade.last_lines()}")
        return code == 0

    def _watch(self) -> int:
        started = time.monotonic()
        while True:
            if _next_signal() in ENDING:
                return self._stop()
            for child in self._children:
                code = child.look()
                if code is not None and not self._go_on_after(child, code):
                    return 1
                if child.is_due:
                    child.start()
            if not self._is_ready:
                self._look_for_readiness(started)

    def _look_for_readiness(self, started: float) -> None:
        all_run = all(child.process is not None for child in self._children)
        self._is_ready = all_run and is_ready(self._config.host, self._config.port)
        if self._is_ready:
            self._say("Ready again." if self._was_ready else self._addresses(time.monotonic() - started))
            self._was_ready = True

    def _go_on_after(self, child: Child, code: int) -> bool:
        self._is_ready = False
        if not self._was_ready and child.failures >= GIVE_UP_AFTER:
            self._say(f"The {child.name} does not start (exit code {code}).\n{child.last_lines()}")
            return False
        self._say(f"The {child.name} ended with code {code}; it is started again.")
        return True

    def _stop(self) -> int:
        self._say("Stopping.")
        for child in self._children:
            child.ask_to_end()
        deadline = time.monotonic() + STOP_WITHIN_S
        while any(child.process is not None for child in self._children):
            for child in self._children:
                child.look()
            if time.monotonic() > deadline or _next_signal() in ENDING:
                self._say("Killing what still runs.")
                break
        return 0

    def _token_command(self) -> str:
        """What prints a token of this very service, from any folder."""
        folder = shlex.quote(str(self._config.data_folder))
        return f"STUDIO_DATA_FOLDER={folder} {shlex.quote(f'{sys.prefix}/bin/studio')} token create"

    def _addresses(self, seconds: float) -> str:
        url = self._config.public_url
        return (
            f"Model Studio is ready after {seconds:.1f} s.\n"
            f"  API     {url}/api/v1\n"
            f"  docs    {url}/api/v1/docs\n"
            f"  MLflow  {url}/mlflow/\n"
            f"  data    {self._config.data_folder}\n"
            f"  token   {self._token_command()}\n"
            "Ctrl-C ends it."
        )


def is_ready(host: str, port: int) -> bool:
    """Whether the API says that everything behind it works."""
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  where every address is served
    connection = http.client.HTTPConnection(address, port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _next_signal() -> int | None:
    received = signal.sigtimedwait(SIGNALS, LOOK_EVERY_S)
    return None if received is None else received.si_signo


def run_all(config: Config, *, log_to_stderr: bool, say: Say) -> int:
    """Run the whole service on this machine until told to end.

    Args:
        config: The settings.
        log_to_stderr: Whether log lines go there; else into ``logs`` in the data folder.
        say: Tells people something.

    Returns:
        Exit status.

    Raises:
        CannotRun: It already runs on this data folder, or the port is taken.
        BadConfig: A setting is wrong.
    """
    if config.port == 0:
        raise BadConfig("`studio up` needs a port other than 0.")
    config = config.prepare_folders()
    with only_one(config.data_folder):
        check_port(config.host, config.port)
        return Supervisor(config, log_to_stderr=log_to_stderr, say=say).run()
