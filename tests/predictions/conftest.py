"""Real model hosts, in processes of their own, forked from one that has loaded MLflow."""

import contextlib
import os

import pytest


@pytest.fixture(scope="session")
def host_processes():
    from studio.backends.execution.local_processes import LocalProcesses

    processes = LocalProcesses(environment=dict(os.environ), preload=["studio.backends.mlflow.loading"])
    yield processes
    processes.close()


@pytest.fixture
def serving(host_processes, config, runtime):
    """Model hosts are started for this test's installation."""
    from studio.backends.serving.supervisor import HostSupervisor

    supervisor = HostSupervisor(host_processes, config.runtime_folder)
    supervisor.start()
    with contextlib.closing(supervisor), contextlib.closing(runtime.hosts):
        yield
