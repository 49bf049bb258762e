"""What the supervisor does to its children, on children that are quick to start."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from studio.supervision import FIRST_PAUSE_S, Child
from studio.supervisor import CannotRun, check_port, only_one
from tests.waiting import is_readable

PARENT = """
import time
from studio.supervision import Child
child = Child("one", ["sh", "-c", "sleep 600 & sleep 600"], {"PATH": "/usr/bin:/bin"}, None)
child.start()
print(child.process.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def child_of(tmp_path):
    made = []

    def make(script):
        environment = {"PATH": "/usr/bin:/bin", "GREETING": "hello"}
        made.append(Child("one", ["sh", "-c", script], environment, tmp_path / "logs" / "one.log"))
        made[-1].start()
        return made[-1]

    yield make
    for child in made:
        child.kill()


def await_end(pid):
    descriptor = os.pidfd_open(pid)
    assert is_readable(descriptor, 30), f"process {pid} still runs"
    os.close(descriptor)


def test_output_is_appended_to_the_log(child_of):
    for _ in range(2):
        child = child_of("echo $GREETING; echo fault >&2; exit 3")
        await_end(child.process.pid)
        assert child.look() == 3
    assert child.last_lines().splitlines() == ["hello", "fault"] * 2
    assert child.last_lines(1) == "fault"


def test_a_big_log_is_put_aside(child_of):
    log = child_of("true").log
    log.write_bytes(b"." * (33 << 20))
    child = child_of("echo new")
    await_end(child.process.pid)
    assert log.read_text() == "new\n"
    assert log.with_name("one.log.1").stat().st_size == 33 << 20


def test_an_end_is_told_once_and_pauses_grow(child_of):
    child = child_of("exit 1")
    pauses = []
    for _ in range(4):
        await_end(child.process.pid)
        assert child.look() == 1
        assert child.look() is None
        assert not child.is_due
        pauses.append(child.pause_s)
        child.start()
    assert pauses == [FIRST_PAUSE_S * 2**number for number in range(4)]


def test_a_child_that_runs_is_not_due(child_of):
    child = child_of("sleep 600")
    assert child.look() is None
    assert not child.is_due
    child.ask_to_end()
    await_end(child.process.pid)
    assert child.look() == -signal.SIGTERM


def test_what_a_dead_child_left_is_killed_with_it(child_of, tmp_path):
    child = child_of(f"sleep 600 & echo $! > {tmp_path}/left; exit 1")
    await_end(child.process.pid)
    left = os.pidfd_open(int((tmp_path / "left").read_text()))
    child.look()
    assert is_readable(left, 30)
    os.close(left)


def test_a_child_has_no_blocked_signals(child_of):
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        child = child_of("sleep 600")
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    child.ask_to_end()
    await_end(child.process.pid)
    assert child.look() == -signal.SIGTERM


def test_a_child_does_not_outlive_a_killed_parent():
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        descriptor = os.pidfd_open(pid)
        parent.kill()
    assert is_readable(descriptor, 30)
    os.close(descriptor)


def test_a_data_folder_is_held_once(tmp_path):
    with only_one(tmp_path), pytest.raises(CannotRun, match=str(os.getpid())), only_one(tmp_path):
        pass
    with only_one(tmp_path):
        pass


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_taken_port_is_told(family, host):
    if family == socket.AF_INET6 and not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("this machine has no IPv6")
    with socket.socket(family) as taken:
        taken.bind((host, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotRun, match=f"Port {port} .* --port"):
            check_port(host, port)
    check_port(host, port)
