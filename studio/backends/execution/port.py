"""What runs work: processes that are started, watched and ended as a whole."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol


class Handle(Protocol):
    """One process and everything below it. Safe to use from any thread."""

    name: str

    @property
    def pid(self) -> int | None:
        """Its process id; None while it is being started."""
        ...

    def poll(self) -> int | None:
        """Exit code, None while it runs. 0: went well; 1: raised; below 0: that signal ended it."""
        ...

    def wait(self, timeout_s: float | None = None) -> int | None:
        """As poll, after waiting up to so many seconds for the end; None: without limit."""
        ...

    def kill(self) -> None:
        """End it at once, with all that it started; returns when it has ended. Safe to repeat."""
        ...

    def memory_bytes(self) -> int:
        """Memory of the whole tree, shared pages counted in proportion; 0 when it does not run."""
        ...

    def resident_bytes(self) -> int:
        """No less than memory_bytes, and cheap: shared pages count once per process; 0 when it does not run."""
        ...

    def cpu_percent(self) -> float:
        """Use of processors by the whole tree since the last call or the start, 100 per core; counts what ended
        meanwhile; 0 when it does not run.
        """
        ...


class Executor(Protocol):
    """Starts processes. None of them outlives the process that holds the executor, however that one ends."""

    def start(self, name: str, target: str, args: Mapping[str, Any], *, output: Path | None = None) -> Handle:
        """Start one process and return at once.

        Args:
            name: What it is called in messages.
            target: The function to call, as ``package.module:function``. Returning is success; raising is
                failure, its traceback goes to the output.
            args: Its keyword arguments; they are pickled.
            output: File that its standard output and errors are appended to; None: those of this process.
        """
        ...

    def close(self) -> None:
        """End everything that was started, and take no more work."""
        ...
