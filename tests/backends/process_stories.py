"""What the processes under test do. They tell the test where they are through a named pipe."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from studio.backends.execution.local_processes import LocalProcesses


def say(pipe: str, *words: object) -> None:
    """Write a line; blocks until the test reads."""
    with open(pipe, "w") as file:
        file.write(" ".join(str(word) for word in words) + "\n")


def succeed(**_: object) -> None:
    print("all is well")


def fail() -> None:
    print("so far")
    raise ValueError("this run is broken")


def leave(code: int) -> None:
    sys.exit(code)


def tell_environment(pipe: str) -> None:
    say(pipe, Path("/proc/self/environ").read_text().replace("\0", "|").replace(" ", "_"), *sorted(os.environ))


def tell_random(pipe: str) -> None:
    say(pipe, np.random.randint(1 << 31))


def sleep_with_family(pipe: str) -> None:
    """Have a child, a child in a session of its own, and a grandchild whose parent has left."""
    child = subprocess.Popen(["sleep", "300"])
    apart = subprocess.Popen(["sleep", "300"], start_new_session=True)
    daemon = subprocess.run(
        ["setsid", "sh", "-c", "sleep 300 >/dev/null 2>&1 & echo $!"],
        capture_output=True,
        text=True,
        check=True,
    )
    say(pipe, os.getpid(), child.pid, apart.pid, daemon.stdout.strip())
    time.sleep(300)


def leave_family_behind(pipe: str, go: str) -> None:
    """As above, and end well when told to."""
    child = subprocess.Popen(["sleep", "300"])
    apart = subprocess.Popen(["sleep", "300"], start_new_session=True)
    say(pipe, child.pid, apart.pid)
    Path(go).read_text()


def hold(pipe: str, go: str, size_bytes: int) -> None:
    """Take memory and keep a core busy until told to end."""
    held = np.ones(size_bytes, dtype=np.uint8)
    say(pipe, len(held))
    deadline, total = time.process_time() + 0.3, 0
    while time.process_time() < deadline:
        total += 1
    say(pipe, total)
    Path(go).read_text()


def have_children_work(pipe: str, go: str, size_bytes: int) -> None:
    """Have a child take memory and keep a core busy, and outlive it."""
    child = os.fork()
    if child == 0:
        held = np.ones(size_bytes, dtype=np.uint8)
        say(pipe, len(held))
        Path(go).read_text()
        while time.process_time() < 0.5:
            pass
        os._exit(0)
    times = os.wait4(child, 0)[2]
    say(pipe, times.ru_utime + times.ru_stime)
    Path(go).read_text()


def own_an_executor(pipe: str, inner: str) -> None:
    """Be a worker with a run of its own."""
    executor = LocalProcesses(environment=dict(os.environ))
    executor.start("inner", "tests.backends.process_stories:sleep_with_family", {"pipe": inner})
    say(pipe, os.getpid())
    signal.pause()


if __name__ == "__main__":
    own_an_executor(*sys.argv[1:])
