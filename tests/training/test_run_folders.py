"""The work folders of runs: kept while a run may go on, removed once it has ended, whoever was there when it did."""

import pytest

from studio.domain.identifiers import new_run_id
from studio.models import service as models
from studio.training import service as training
from studio.training.jobs import purge_deleted
from studio.training.service.queue import let_go
from studio.training.tables import RunRow
from tests.factories import make_dataset, make_model
from tests.versions.factories import add_version


@pytest.fixture
def begin(open_stores, config, clock):
    """Has a run begin on this machine: claimed, with an MLflow run and a folder that holds its journal."""

    def begin(name="one"):
        with open_stores() as stores:
            model = make_model(stores, name, dataset=make_dataset(stores))
            run = training.start_run(stores, model.id)
            training.claim_run(stores.db, "one", now=clock())
            row = stores.db.get(RunRow, run.run_id)
            row.mlflow_run_id = stores.runs.create_run(
                name, run_id=run.run_id, run_name="first", started_at=stores.now()
            )
        folder = config.data_folder / "runs" / run.run_id
        folder.mkdir(parents=True)
        (folder / "journal").write_text("trials")
        return model, run.run_id, folder

    return begin


@pytest.fixture
def pause(open_stores):
    def pause(model, run_id):
        with open_stores() as stores:
            training.pause_run(stores, model.id, run_id)
            training.settle_pause(stores, run_id)

    return pause


@pytest.fixture
def mlflow_end(open_stores):
    """How and when a run ended by what MLflow says."""

    def read(run_id):
        with open_stores(write=False) as stores:
            run = training.find_run(stores, run_id)
            record = stores.runs.get_run(run.mlflow_run_id)
        return record.status, record.ended_at

    return read


@pytest.mark.both_databases
def test_a_run_cancelled_while_it_was_paused_is_cleared_up(
    begin, pause, open_stores, make_dispatcher, mlflow_end, clock
):
    model, run_id, folder = begin()
    pause(model, run_id)
    with open_stores() as stores:
        training.cancel_run(stores, model.id, run_id)
    assert folder.exists()
    cancelled_at = clock.now
    clock.advance(seconds=29)
    make_dispatcher().sweep()
    assert not folder.exists()
    assert mlflow_end(run_id) == ("KILLED", cancelled_at)


def test_one_whose_worker_was_killed_at_its_end_is_cleared_up(begin, open_stores, make_dispatcher, mlflow_end, clock):
    model, run_id, folder = begin()
    with open_stores() as stores:
        version = add_version(stores, model, run_id=run_id, mlflow_run_id="-")
        training.complete_run(stores, run_id, version=version, timed_out=False, stage_seconds={})
    make_dispatcher().sweep()
    assert not folder.exists()
    assert mlflow_end(run_id) == ("FINISHED", clock.now)


def test_what_may_go_on_keeps_its_journal(begin, pause, open_stores, make_dispatcher):
    running = begin("running")
    paused, resumed = begin("paused"), begin("resumed")
    for model, run_id, _ in (paused, resumed):
        pause(model, run_id)
    with open_stores() as stores:
        training.resume_run(stores, resumed[0].id, resumed[1])
    make_dispatcher(worker_id="two").sweep()
    assert [(folder / "journal").exists() for _, _, folder in (running, paused, resumed)] == [True] * 3


def test_the_folder_of_a_live_process_is_left_to_who_ends_it(open_stores, make_dispatcher, hear, config):
    with open_stores() as stores:
        run_id = training.start_run(stores, make_model(stores, dataset=make_dataset(stores)).id).run_id
    dispatcher = make_dispatcher()
    dispatcher.step()
    hear()
    with open_stores() as stores:
        training.cancel_orphan(stores, run_id, reason="user")
    dispatcher.sweep()
    assert (config.data_folder / "runs" / run_id).exists()
    dispatcher.step()
    assert not (config.data_folder / "runs" / run_id).exists()


def test_a_run_that_another_machine_has_purged_leaves_nothing_here(
    begin, open_stores, runtime, make_dispatcher, tmp_path
):
    model, run_id, folder = begin()
    with open_stores() as stores:
        models.delete_model(stores, model.id, force=True)
        let_go(stores, run_id, "one")
    assert purge_deleted(runtime.database, runtime.open_stores, tmp_path / "elsewhere") == 1
    assert folder.exists()
    make_dispatcher().sweep()
    assert not folder.exists()


def test_what_is_no_runs_folder_stays(config, make_dispatcher, clock):
    (config.data_folder / "runs" / "notes").mkdir(parents=True)
    unknown = config.data_folder / "runs" / new_run_id(clock())
    unknown.mkdir()
    make_dispatcher().sweep()
    assert [path.name for path in (config.data_folder / "runs").iterdir()] == ["notes"]


def test_an_mlflow_run_that_is_gone_holds_up_nothing(begin, pause, open_stores, runtime, make_dispatcher):
    begun = [begin(name) for name in ("one", "two")]
    for model, run_id, _ in begun:
        pause(model, run_id)
        with open_stores() as stores:
            training.cancel_run(stores, model.id, run_id)
    with open_stores() as stores:
        for _, run_id, _ in begun:
            mlflow_run_id = training.find_run(stores, run_id).mlflow_run_id
            with runtime.connection.bound("acme") as client:
                client.delete_run(mlflow_run_id)
        stores.db.get(RunRow, begun[0][1]).mlflow_run_id = "0" * 32
    make_dispatcher().sweep()
    assert [folder.exists() for _, _, folder in begun] == [False, False]
