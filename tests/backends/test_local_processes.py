"""Processes are started, watched and ended as a whole, and none outlives its owner."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from studio.backends.execution.local_processes import KILLED, LocalProcesses
from studio.errors import BackendDown
from tests.waiting import is_readable

STORIES = "tests.backends.process_stories"
PATIENCE_S = 60


@pytest.fixture(scope="module")
def executor() -> Iterator[LocalProcesses]:
    environment = {name: value for name, value in os.environ.items() if name != "STUDIO_SIGNING_SECRET"}
    made = LocalProcesses(environment=environment, preload=["numpy.random"], threads=3)
    yield made
    made.close()


@pytest.fixture
def pipe(tmp_path: Path) -> str:
    os.mkfifo(tmp_path / "pipe")
    return str(tmp_path / "pipe")


@pytest.fixture
def go(tmp_path: Path) -> str:
    os.mkfifo(tmp_path / "go")
    return str(tmp_path / "go")


def heard(pipe: str) -> list[str]:
    return Path(pipe).read_text().split()


@contextlib.contextmanager
def watched(pids: list[str]) -> Iterator[list[int]]:
    """Descriptors that tell of the end of processes that are not our children."""
    descriptors = [os.pidfd_open(int(pid)) for pid in pids]
    yield descriptors
    for descriptor in descriptors:
        os.close(descriptor)


def assert_all_end(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        assert is_readable(descriptor, PATIENCE_S), "a process lives on"


def test_a_run_ends_well(executor: LocalProcesses, tmp_path: Path) -> None:
    handle = executor.start("run", f"{STORIES}:succeed", {"any": [1, 2]}, output=tmp_path / "log")
    assert handle.wait(PATIENCE_S) == 0
    assert (tmp_path / "log").read_text() == "all is well\n"
    assert handle.memory_bytes() == 0
    assert handle.cpu_percent() == 0


def test_a_run_that_raises_leaves_its_traceback(executor: LocalProcesses, tmp_path: Path) -> None:
    handle = executor.start("run", f"{STORIES}:fail", {}, output=tmp_path / "log")
    assert handle.wait(PATIENCE_S) == 1
    assert (tmp_path / "log").read_text().startswith("so far\n")
    assert "ValueError: this run is broken" in (tmp_path / "log").read_text()


def test_exit_codes_and_bad_targets(executor: LocalProcesses, tmp_path: Path) -> None:
    assert executor.start("run", f"{STORIES}:leave", {"code": 7}).wait(PATIENCE_S) == 7
    for target in (f"{STORIES}:no_such", "no_such_module:x"):
        assert executor.start("run", target, {}, output=tmp_path / "log").wait(PATIENCE_S) == 1
    assert "no_such" in (tmp_path / "log").read_text()


def test_the_environment_is_the_one_given(pipe: str, monkeypatch: pytest.MonkeyPatch, executor: LocalProcesses) -> None:
    monkeypatch.setenv("STUDIO_SIGNING_SECRET", "hush")
    handle = executor.start("run", f"{STORIES}:tell_environment", {"pipe": pipe})
    from_start, *names = heard(pipe)
    assert "hush" not in from_start
    assert "OMP_NUM_THREADS=3" in from_start
    assert "STUDIO_SIGNING_SECRET" not in names
    assert handle.wait(PATIENCE_S) == 0


def test_forked_processes_draw_different_numbers(executor: LocalProcesses, pipe: str) -> None:
    drawn = []
    for _ in range(2):
        executor.start("run", f"{STORIES}:tell_random", {"pipe": pipe})
        drawn.append(heard(pipe))
    assert drawn[0] != drawn[1]


def test_a_kill_takes_the_whole_tree(executor: LocalProcesses, pipe: str) -> None:
    handle = executor.start("run", f"{STORIES}:sleep_with_family", {"pipe": pipe})
    with watched(heard(pipe)) as family:
        assert handle.poll() is None
        handle.kill()
        assert handle.poll() == KILLED
        assert_all_end(family)
    handle.kill()


def test_what_a_run_leaves_behind_is_killed(executor: LocalProcesses, pipe: str, go: str) -> None:
    handle = executor.start("run", f"{STORIES}:leave_family_behind", {"pipe": pipe, "go": go})
    with watched(heard(pipe)) as family:
        Path(go).write_text("go")
        assert handle.wait(PATIENCE_S) == 0
        assert_all_end(family)


def test_the_end_of_one_run_leaves_the_others_alone(executor: LocalProcesses, pipe: str) -> None:
    sleeper = executor.start("run", f"{STORIES}:sleep_with_family", {"pipe": pipe})
    family = heard(pipe)
    assert executor.start("other", f"{STORIES}:succeed", {}).wait(PATIENCE_S) == 0
    assert executor.start("another", f"{STORIES}:succeed", {}).wait(PATIENCE_S) == 0
    assert sleeper.poll() is None
    assert all(psutil.pid_exists(int(pid)) for pid in family)
    sleeper.kill()


def test_use_of_memory_and_processors_is_seen(executor: LocalProcesses, pipe: str, go: str) -> None:
    handle = executor.start("run", f"{STORIES}:hold", {"pipe": pipe, "go": go, "size_bytes": 200 << 20})
    heard(pipe)
    handle.cpu_percent()
    assert handle.memory_bytes() > 200 << 20
    heard(pipe)
    assert handle.cpu_percent() > 0
    Path(go).write_text("go")
    assert handle.wait(PATIENCE_S) == 0


def test_what_children_use_counts_after_their_end_too(executor: LocalProcesses, pipe: str, go: str) -> None:
    begun = time.monotonic()
    handle = executor.start("run", f"{STORIES}:have_children_work", {"pipe": pipe, "go": go, "size_bytes": 200 << 20})
    heard(pipe)
    assert handle.memory_bytes() > 200 << 20
    assert handle.resident_bytes() >= handle.memory_bytes()
    Path(go).write_text("go")
    (worked_s,) = heard(pipe)  # by a child that is gone
    used_s = handle.cpu_percent() / 100 * (time.monotonic() - begun)
    assert used_s > 0.9 * float(worked_s)
    assert handle.memory_bytes() < 200 << 20
    Path(go).write_text("go")
    assert handle.wait(PATIENCE_S) == 0


def test_many_starts_at_once(executor: LocalProcesses) -> None:
    handles = []
    threads = [
        threading.Thread(target=lambda n=n: handles.append(executor.start("run", f"{STORIES}:leave", {"code": n})))
        for n in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(handle.wait(PATIENCE_S) for handle in handles) == list(range(12))


def test_a_lost_fork_server_is_told_and_replaced(executor: LocalProcesses, pipe: str) -> None:
    handle = executor.start("run", f"{STORIES}:sleep_with_family", {"pipe": pipe})
    (run, in_group, *apart) = heard(pipe)
    with watched([run, in_group]) as family:
        psutil.Process(int(run)).parent().kill()
        assert handle.wait(PATIENCE_S) == KILLED
        assert_all_end(family)
    for pid in apart:  # with the server gone, nobody knows of these any more
        os.kill(int(pid), signal.SIGKILL)
    assert executor.start("run", f"{STORIES}:succeed", {}).wait(PATIENCE_S) == 0


def test_nothing_survives_an_owner_that_is_killed(pipe: str, tmp_path: Path) -> None:
    inner = str(tmp_path / "inner")
    os.mkfifo(inner)
    with subprocess.Popen([sys.executable, "-m", STORIES, pipe, inner]) as owner:
        heard(pipe)
        family = heard(inner)
        server = psutil.Process(int(family[0])).parent()
        assert server.ppid() == owner.pid
        with watched([*family, str(server.pid)]) as descriptors:
            owner.send_signal(signal.SIGKILL)
            assert_all_end(descriptors)


def test_a_run_does_not_outlive_its_fork_server(pipe: str, tmp_path: Path) -> None:
    inner = str(tmp_path / "inner")
    os.mkfifo(inner)
    with subprocess.Popen([sys.executable, "-m", STORIES, pipe, inner]) as owner:
        heard(pipe)
        run, *others = heard(inner)
        try:
            with watched([run]) as descriptors:
                owner.send_signal(signal.SIGSTOP)  # so that it cannot clear up
                psutil.Process(int(run)).parent().kill()
                assert_all_end(descriptors)
        finally:
            owner.kill()
    for pid in others:
        os.kill(int(pid), signal.SIGKILL)


def test_a_closed_executor_has_ended_everything(pipe: str) -> None:
    executor = LocalProcesses(environment=dict(os.environ))
    executor.start("run", f"{STORIES}:sleep_with_family", {"pipe": pipe})
    with watched(heard(pipe)) as family:
        executor.close()
        assert_all_end(family)
    with pytest.raises(BackendDown):
        executor.start("run", f"{STORIES}:succeed", {})


def test_a_process_whose_parent_is_gone_already_ends_at_once() -> None:
    code = "from studio.backends.execution.parent_death import die_with_parent as d; d(1); print('alive')"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, b"")
