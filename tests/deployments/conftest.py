"""A worker's part in deployments: real model hosts, kept by a thread of the test's own."""

import contextlib
import os
import threading
import time

import pytest

from studio.domain.tasks import TaskType
from tests.factories import make_model
from tests.versions.factories import add_version, make_loading_model

PATIENCE_S = 60


@pytest.fixture(scope="session")
def host_processes():
    from studio.backends.execution.local_processes import LocalProcesses

    preload = ["studio.backends.serving.host", "studio.backends.mlflow.loading"]
    processes = LocalProcesses(environment=dict(os.environ), preload=preload)
    yield processes
    processes.close()


class Tending:
    """Hosts and caretaker of a worker; goes round until closed, and can be ended and begun anew."""

    def __init__(self, runtime, host_processes, **options):
        self.runtime, self._processes, self._options = runtime, host_processes, options
        self._round, self._rounds = threading.Condition(), 0
        self._stop = threading.Event()
        self.begin()

    def begin(self):
        """Be a worker."""
        from studio.backends.serving.supervisor import HostSupervisor
        from studio.deployments.jobs import Caretaker
        from studio.training import service as training

        with self.runtime.database.transaction(write=True) as db:
            training.beat(db, "worker-1", now=self.runtime.clock())
        self.supervisor = HostSupervisor(self._processes, self.runtime.config.runtime_folder, **self._options)
        self.caretaker = Caretaker(self.runtime.database, self.runtime.open_stores, self.supervisor, self.runtime.clock)
        self._stop.clear()
        self._thread = threading.Thread(target=self._go_round, daemon=True)
        self._thread.start()

    def end(self):
        """Be no worker any more; all hosts end."""
        self._stop.set()
        self._thread.join()
        self.supervisor.close()

    def until(self, check):
        """Go on until something is so; what the check gave."""
        deadline = time.monotonic() + PATIENCE_S
        while not (found := check()):
            assert time.monotonic() < deadline, "it never came so"
            self.next_round()
        return found

    def next_round(self):
        """Wait until a whole round has begun and ended."""
        with self._round:
            wanted = self._rounds + 2
            assert self._round.wait_for(lambda: self._rounds >= wanted, PATIENCE_S)

    def _go_round(self):
        while not self._stop.is_set():
            self.supervisor.poll(0.05)
            self.caretaker.step()
            with self._round:
                self._rounds += 1
                self._round.notify_all()


@pytest.fixture
def tend(host_processes, runtime):
    """Begins a worker; ``tend(max_memory_bytes=...)`` with options of its supervisor."""
    with contextlib.ExitStack() as ending:
        ending.callback(runtime.hosts.close)

        def begin(**options):
            tending = Tending(runtime, host_processes, **options)
            ending.callback(tending.end)
            return tending

        yield begin


@pytest.fixture
def tending(tend):
    """A worker."""
    return tend()


@pytest.fixture
def model(open_stores):
    """A model with two versions that nobody will load, the first of which is promoted."""
    from studio.versions import service as versions

    with open_stores() as stores:
        model = make_model(stores)
    for _ in range(2):
        with open_stores() as stores:
            add_version(stores, model)
    with open_stores() as stores:
        versions.promote_version(stores, model.id, "ver-001")
    return model


@pytest.fixture
def served_model(open_stores):
    """A model with a promoted version that loads."""
    return make_loading_model(open_stores)


@pytest.fixture
def telling_model(open_stores):
    """A model with a promoted version that predicts its own number, as later ones do."""
    from tests.deployments.factories import add_telling_version

    with open_stores() as stores:
        model = make_model(stores, task_type=TaskType.REGRESSION, config={"target_column": "delay_h"})
    add_telling_version(open_stores, model, promoted=True)
    return model
