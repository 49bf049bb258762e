"""One child process that is kept running: started, watched, restarted after a while, stopped."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from studio.backends.execution.parent_death import die_with_parent

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
SETTLED_S = 30.0  # a child that lived so long is not failing at its start
ROTATE_BYTES = 32 << 20


@dataclass
class Child:
    """One process and how often it failed lately.

    Attributes:
        name: What people call it.
        command: Its command line.
        environment: Its environment.
        log: File its output is appended to; None leaves it the parent's.
        failures: Ends since it last ran for a while.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path | None
    failures: int = 0
    process: subprocess.Popen[bytes] | None = None
    _started: float = field(default=0.0)
    _due: float = field(default=0.0)

    def start(self) -> None:
        """Start it in a process group of its own: the terminal's Ctrl-C is for the parent to pass on.

        For the main thread alone: the kernel ends the child with the thread that started it.
        """
        parent = os.getpid()

        def prepare() -> None:
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            die_with_parent(parent)

        with _opened(self.log) as output:
            self.process = subprocess.Popen(
                list(self.command),
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,
                preexec_fn=prepare,
            )
        self._started = time.monotonic()

    def look(self) -> int | None:
        """See whether it has ended.

        Returns:
            Its exit code, told once; it is then due again after a pause that doubles with each failure.
        """
        if self.process is None or self.process.poll() is None:
            return None
        code = self.process.returncode
        self.kill()
        now = time.monotonic()
        self.failures = 1 if now - self._started >= SETTLED_S else self.failures + 1
        self._due = now + self.pause_s
        self.process = None
        return code

    @property
    def pause_s(self) -> float:
        """How long it is left alone after its latest end."""
        return min(FIRST_PAUSE_S * 2.0 ** max(self.failures - 1, 0), LONGEST_PAUSE_S)

    @property
    def is_due(self) -> bool:
        """True when it does not run and its pause is over."""
        return self.process is None and time.monotonic() >= self._due

    def ask_to_end(self) -> None:
        """Have it end in order."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it and all of its process group at once; also what a dead one left."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def last_lines(self, count: int = 15) -> str:
        """The end of its log, for people."""
        if self.log is None or not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])


def _opened(log: Path | None) -> contextlib.AbstractContextManager[IO[Any] | None]:
    if log is None:
        return contextlib.nullcontext()
    log.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > ROTATE_BYTES:
            log.replace(log.with_name(f"{log.name}.1"))
    return log.open("ab")
