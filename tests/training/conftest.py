"""A worker's dispatcher with real processes."""

import os
from pathlib import Path

import pytest

from studio.backends.execution.local_processes import LocalProcesses
from studio.training.jobs import Dispatcher
from tests.waiting import is_readable

PATIENCE_S = 60
STORIES = "tests.training.run_stories"


@pytest.fixture(scope="session")
def processes():
    made = LocalProcesses(environment={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ})
    yield made
    made.close()


@pytest.fixture
def make_dispatcher(runtime, processes, config, clock):
    """Makes the dispatcher of a worker whose runs do what a story of tests/training/run_stories.py tells."""
    made = []

    def make(story="work_on", worker_id="one"):
        dispatcher = Dispatcher(
            runtime.database, runtime.open_stores, processes, config,
            worker_id=worker_id, clock=clock, target=f"{STORIES}:{story}",
        )  # fmt: skip
        made.append(dispatcher)
        return dispatcher

    yield make
    for dispatcher in made:
        dispatcher.stop()


@pytest.fixture
def hear(config):
    """Waits for what a story says, and gives its words."""
    pipe = Path(config.data_folder) / "pipe"
    os.mkfifo(pipe)
    return lambda: pipe.read_text().split()


@pytest.fixture
def await_end():
    """Waits for the end of a process that is no child of this one."""

    def wait(pid):
        try:
            descriptor = os.pidfd_open(int(pid))
        except ProcessLookupError:
            return
        assert is_readable(descriptor, PATIENCE_S), "the process lives on"
        os.close(descriptor)

    return wait
