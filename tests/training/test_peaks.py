"""What a run's details say it used: all its processes together, for as long as they lived."""

import os
from pathlib import Path

import pytest

from studio.training import service as training
from tests.factories import make_dataset, make_model
from tests.training.conftest import PATIENCE_S


@pytest.fixture
def run_id(open_stores):
    with open_stores() as stores:
        return training.start_run(stores, make_model(stores, dataset=make_dataset(stores)).id).run_id


@pytest.fixture
def tell(config):
    """Lets a story go on."""
    pipe = Path(config.data_folder) / "go"
    os.mkfifo(pipe)
    return lambda: pipe.write_text("go")


def test_a_child_that_comes_and_goes_between_two_leases_counts(open_stores, run_id, make_dispatcher, hear, tell):
    dispatcher = make_dispatcher("take_memory")
    dispatcher.step()
    hear()
    dispatcher.step()  # renews the lease, which it does not again within a second
    assert peaks_of(open_stores, run_id)[0] < 200
    tell()
    hear()
    dispatcher.step()
    tell()
    (live,) = dispatcher._live.values()
    assert live.handle.wait(PATIENCE_S) == 0
    dispatcher.step()

    memory_mb, cpu_percent, status = peaks_of(open_stores, run_id)
    assert memory_mb > 200
    assert cpu_percent > 0
    assert status == "running"  # it ended without an outcome: it goes on in another process


def test_a_run_that_no_process_had_used_nothing(open_stores, run_id):
    assert peaks_of(open_stores, run_id) == (None, None, "queued")


def peaks_of(open_stores, run_id):
    with open_stores(write=False) as stores:
        run = training.find_run(stores, run_id)
    return run.peak_memory_mb, run.peak_cpu_percent, run.status
