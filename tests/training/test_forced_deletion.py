"""A model that is deleted while it trains: its run is cancelled first, and its bytes go once the process is gone."""

import pytest
from sqlalchemy import select

from studio.datasets.tables import DatasetUseRow
from studio.domain.runs import EventType
from studio.models import service as models
from studio.training import service as training
from studio.training.jobs import purge_deleted
from studio.training.jobs.reporter import Reporter
from studio.training.service.queue import LEASE, let_go
from studio.training.tables import RunRow
from tests.factories import make_dataset, make_model

STATES = ["queued", "running", "paused"]


@pytest.fixture
def model(open_stores):
    with open_stores() as stores:
        return make_model(stores, "one", dataset=make_dataset(stores))


@pytest.fixture
def start(open_stores, model, clock):
    """Brings a run of the model as far as a state, and gives its id."""

    def start(state):
        with open_stores() as stores:
            run_id = training.start_run(stores, model.id).run_id
        with open_stores() as stores:
            if state != "queued":
                training.claim_run(stores.db, "one", now=clock())
            if state == "paused":
                training.pause_run(stores, model.id, run_id)
                training.settle_pause(stores, run_id)
        return run_id

    return start


@pytest.fixture
def told(open_stores):
    """What the listeners of a run have heard."""

    def told(run_id):
        with open_stores(write=False) as stores:
            events = training.read_events(stores.db, run_id, after=0)
        return [event.payload.get("status", str(event.type)) for event in events]

    return told


@pytest.fixture
def purge(runtime, config):
    return lambda: purge_deleted(runtime.database, runtime.open_stores, config.data_folder)


@pytest.mark.both_databases
@pytest.mark.parametrize("state", STATES)
def test_its_run_is_cancelled_first(client, headers, open_stores, model, start, told, state):
    run_id, path = start(state), f"/api/v1/models/{model.id}"
    refused = client.delete(path, headers=headers())
    assert (refused.status_code, refused.json["code"]) == (409, "model_training")
    assert "cancelled" not in told(run_id)

    assert client.delete(f"{path}?force=true", headers=headers()).status_code == 204

    with open_stores(write=False) as stores:
        run = training.find_run(stores, run_id)
        assert (run.status, run.cancel_reason, run.pending_action) == ("cancelled", "model_deleted", None)
        assert stores.db.scalar(select(DatasetUseRow)) is None
    assert told(run_id)[-2:] == ["cancelled", "cancelled"]
    log = client.get("/api/v1/models/audit-logs?sort_order=asc", headers=headers()).json["results"]
    ends = [(entry["action"], entry["actor"]["type"]) for entry in log][-2:]
    assert sorted(ends) == [("model.deleted", "user"), ("model.training_cancelled", "system")]
    (cancelled,) = [entry for entry in log if entry["action"] == "model.training_cancelled"]
    assert cancelled["details"] == {"run_id": run_id, "reason": "model_deleted"}


def test_a_deletion_that_is_refused_cancels_nothing(client, headers, open_stores, model, start):
    run_id, path = start("running"), f"/api/v1/models/{model.id}?force=true"
    assert client.delete(path, headers={**headers(), "If-Match": '"another"'}).status_code == 412
    assert client.delete(path, headers=headers(user="user-2", permissions=["model:write"])).status_code == 403
    with open_stores(write=False) as stores:
        assert training.find_run(stores, run_id).status == "running"


@pytest.mark.both_databases
def test_its_bytes_stay_until_the_process_is_gone(open_stores, model, start, purge):
    run_id = start("running")
    with open_stores() as stores:
        models.delete_model(stores, model.id, force=True)
    assert purge() == 0
    with open_stores() as stores:
        let_go(stores, run_id, "another worker")
    assert purge() == 0
    with open_stores() as stores:
        let_go(stores, run_id, "one")
    assert purge() == 1


def test_a_worker_that_died_is_waited_for_as_long_as_its_lease(open_stores, model, start, purge, clock):
    start("running")
    with open_stores() as stores:
        models.delete_model(stores, model.id, force=True)
    assert purge() == 0
    clock.advance(seconds=LEASE.total_seconds() + 1)
    assert purge() == 1


def test_the_worker_ends_its_process(open_stores, model, start, make_dispatcher, hear, await_end, purge, config):
    run_id = start("queued")
    dispatcher = make_dispatcher()
    dispatcher.step()
    (pid,) = hear()
    folder = config.data_folder / "runs" / run_id
    assert folder.exists()
    with open_stores() as stores:
        models.delete_model(stores, model.id, force=True)

    dispatcher.step()
    await_end(pid)
    assert not folder.exists()
    assert purge() == 1


def test_a_process_that_lives_a_moment_longer_tells_nothing_more(open_stores, model, start, told):
    run_id = start("running")
    reporter = Reporter(
        lambda *, write: open_stores(write=write), run_id, "-", metric="roc_auc", is_better=lambda one, other: True,
        told_trials=set(), best=None, progress=0.0, budget_s=None, stage_seconds={},
    )  # fmt: skip
    with open_stores() as stores:
        models.delete_model(stores, model.id, force=True)
    reporter.log("info", "[Training] fold 1 of 5")
    reporter.close()
    assert told(run_id)[-1] == EventType.CANCELLED


def test_the_worker_forgets_a_run_that_was_purged_under_it(
    open_stores, model, start, make_dispatcher, hear, await_end, purge, clock
):
    start("queued")
    dispatcher = make_dispatcher()
    dispatcher.step()
    (pid,) = hear()
    with open_stores() as stores:
        models.delete_model(stores, model.id, force=True)
    clock.advance(seconds=LEASE.total_seconds() + 1)
    assert purge() == 1

    dispatcher.step()
    await_end(pid)
    with open_stores() as stores:
        assert stores.db.scalar(select(RunRow)) is None
