"""A worker that is killed while something is asked of its run: the next one does it, without another process."""

import pytest

from studio.training import service as training
from studio.training.service.queue import LEASE
from tests.factories import make_dataset, make_model

pytestmark = pytest.mark.both_databases


@pytest.fixture
def model(open_stores):
    with open_stores() as stores:
        return make_model(stores, dataset=make_dataset(stores))


@pytest.fixture
def run_id(open_stores, model, clock):
    """A run whose worker was killed, with what it had found."""
    with open_stores() as stores:
        run_id = training.start_run(stores, model.id).run_id
        training.claim_run(stores.db, "one", now=clock())
        training.renew_lease(stores, run_id, "one", elapsed_s=12.5, memory_mb=80, cpu_percent=90)
    return run_id


def find(open_stores, run_id):
    with open_stores(write=False) as stores:
        return training.find_run(stores, run_id)


@pytest.mark.parametrize("life", ["the same worker", "another"])
def test_a_run_that_was_pausing_is_paused(open_stores, model, run_id, make_dispatcher, clock, config, life):
    with open_stores() as stores:
        training.pause_run(stores, model.id, run_id)
    if life == "another":
        dispatcher = make_dispatcher(worker_id="two")
        dispatcher.step()
        assert find(open_stores, run_id).pending_action == "pause"  # the lease still holds
        clock.advance(seconds=LEASE.total_seconds() + 1)
    else:
        dispatcher = make_dispatcher()
    dispatcher.step()

    run = find(open_stores, run_id)
    assert (run.status, run.pending_action, run.duration_seconds) == ("paused", None, 12.5)
    assert not (config.data_folder / "runs" / run_id).exists()  # no process was started
    with open_stores() as stores:
        training.resume_run(stores, model.id, run_id)
    with open_stores() as stores:
        claim = training.claim_run(stores.db, "two", now=clock())
    assert (claim.run_id, claim.attempt, claim.elapsed_s, claim.pending_action) == (run_id, 1, 12.5, None)


def test_a_run_that_was_being_cancelled_is_cancelled(open_stores, model, run_id, make_dispatcher):
    with open_stores() as stores:
        training.cancel_run(stores, model.id, run_id)
    make_dispatcher().step()
    run = find(open_stores, run_id)
    assert (run.status, run.cancel_reason) == ("cancelled", "user")


def test_a_process_that_dies_while_its_run_is_pausing_leaves_it_paused(
    open_stores, model, make_dispatcher, hear, await_end, clock
):
    with open_stores() as stores:
        run_id = training.start_run(stores, model.id).run_id
    dispatcher = make_dispatcher()
    dispatcher.step()
    hear()
    with open_stores() as stores:
        training.pause_run(stores, model.id, run_id)
    (live,) = dispatcher._live.values()
    live.handle.kill()
    dispatcher.step()
    assert find(open_stores, run_id).status == "paused"
