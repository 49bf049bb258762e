"""Whole jobs by real processes and real model hosts, also by processes that are killed."""

import csv
import io
import os
import shutil
import signal
import time

import pyarrow.parquet as pq
import pytest

from studio.backends.execution.local_processes import LocalProcesses
from studio.batch_predictions import service
from studio.batch_predictions.jobs import BatchDispatcher
from studio.domain.batch_jobs import BatchStatus
from studio.models import service as models
from tests.factories import make_dataset, parcels

PATIENCE_S = 90
STORIES = "tests.batch_predictions.stories"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def processes():
    made = LocalProcesses(environment=dict(os.environ), preload=["studio.batch_process"])
    yield made
    made.close()


@pytest.fixture
def make_dispatcher(runtime, processes, config, clock, serving):
    made = []

    def make(story="work"):
        given = {"worker_id": "one", "clock": clock, "target": f"{STORIES}:{story}"}
        dispatcher = BatchDispatcher(runtime.database, runtime.open_stores, processes, config, **given)
        made.append(dispatcher)
        return dispatcher

    yield make
    for dispatcher in made:
        dispatcher.stop()


@pytest.fixture
def start(open_stores, model):
    def start(frame):
        with open_stores() as stores:
            dataset = make_dataset(stores, frame, name="New parcels")
        with open_stores() as stores:
            return service.start_batch(stores, model.id, dataset_id=dataset.id)

    return start


@pytest.fixture
def get(open_stores, model):
    def get(job):
        with open_stores(write=False) as stores:
            return service.get_batch(stores, model.id, job.batch_id)

    return get


def work_until(dispatcher, is_so):
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline, "it never came so"
        dispatcher.step()
        time.sleep(0.02)


def fetch(client, url):
    answer = client.get(url.partition("//")[2].partition("/")[1] + url.partition("//")[2].partition("/")[2])
    assert answer.status_code == 200
    return answer.data


def test_every_row_is_predicted_and_the_files_can_be_fetched(make_dispatcher, start, get, client, config):
    frame = parcels(100).drop(columns=["late"])
    frame["weight_kg"] = frame["weight_kg"].astype(object)
    frame.loc[7, "weight_kg"] = "heavy"
    job = start(frame)
    dispatcher = make_dispatcher()

    work_until(dispatcher, lambda: get(job).status.is_finished)

    done = get(job)
    assert done.failure is None
    assert (done.status, done.rows_total, done.rows_predicted, done.rows_failed) == (BatchStatus.COMPLETED, 100, 99, 1)
    errors = list(csv.reader(io.StringIO(fetch(client, done.downloads.errors).decode())))
    assert errors == [["row", "column", "message"], ["8", "weight_kg", "must be a number"]]
    table = pq.read_table(io.BytesIO(fetch(client, done.downloads.parquet)))
    assert table.num_rows == 99
    assert table["distance_km"].to_pylist() == frame["distance_km"].drop(7).tolist()
    rows = list(csv.DictReader(io.StringIO(fetch(client, done.downloads.csv).decode())))
    assert [row["prediction"] for row in rows] == table["prediction"].to_pylist()
    assert [row["prediction_id"] for row in rows] == table["prediction_id"].to_pylist()
    assert {"probability_late", "probability_on_time"} <= set(rows[0])
    work_until(dispatcher, lambda: not (config.data_folder / "batches" / job.batch_id).exists())


def test_a_killed_process_goes_on_with_the_chunks_it_has(make_dispatcher, start, get, config):
    job = start(parcels(80))
    pipe = config.data_folder / "pipe"
    os.mkfifo(pipe)
    dispatcher = make_dispatcher("stop_after_two")
    dispatcher.step()
    pid = int(pipe.read_text())
    folder = config.data_folder / "batches" / job.batch_id
    kept = {path.name: path.read_bytes() for path in folder.glob("part-*.parquet")}
    assert len(kept) == 2
    os.kill(pid, signal.SIGKILL)

    again = make_dispatcher("work")  # the same worker, begun anew
    work_until(again, lambda: get(job).rows_predicted > 0)
    still = {path.name: path.read_bytes() for path in folder.glob("part-*.parquet")}
    assert not still or {name: still[name] for name in kept} == kept
    work_until(again, lambda: get(job).status.is_finished)
    assert (get(job).status, get(job).rows_predicted) == (BatchStatus.COMPLETED, 80)


def test_a_job_that_kills_its_process_is_given_up(make_dispatcher, start, get):
    job = start(parcels(10))
    dispatcher = make_dispatcher("die")
    work_until(dispatcher, lambda: get(job).status.is_finished)
    assert (get(job).status, get(job).failure.code) == (BatchStatus.FAILED, "worker_lost")
    assert "3 starts" in get(job).failure.message


def test_no_row_at_all_is_a_failure_with_its_reason(make_dispatcher, start, get, client):
    frame = parcels(30)
    frame["distance_km"] = "far"
    job = start(frame)
    work_until(make_dispatcher(), lambda: get(job).status.is_finished)
    done = get(job)
    assert (done.status, done.failure.code, done.rows_failed) == (BatchStatus.FAILED, "no_row_predicted", 30)
    assert "row 1, distance_km: must be a number" in done.failure.message
    assert (done.downloads.csv, done.downloads.parquet) == (None, None)
    assert fetch(client, done.downloads.errors).count(b"\n") == 31


def test_what_is_gone_with_its_model_leaves_nothing(make_dispatcher, start, open_stores, model, config, runtime):
    job = start(parcels(10))
    with open_stores() as stores:
        models.delete_model(stores, model.id)
    folder = config.data_folder / "batches" / job.batch_id
    folder.mkdir(parents=True)
    dispatcher = make_dispatcher()
    dispatcher.step()
    dispatcher.sweep()
    assert not folder.exists()
    with open_stores() as stores:
        from studio.datasets import service as datasets

        datasets.delete_dataset(stores, job.dataset_id)
    shutil.rmtree(folder, ignore_errors=True)
