"""Jobs as their rows tell of them, on both databases."""

import pytest

from studio.batch_predictions import service
from studio.batch_predictions.service.queue import LEASE, claim_batch, expire_leases, fail_batch, renew_lease
from studio.datasets import service as datasets
from studio.domain.batch_jobs import BatchFailure, BatchStatus
from studio.errors import BatchNotFound, DatasetInUse, NoVersion, QuotaExceeded, SchemaMismatch
from studio.models import service as models
from studio.training import service as training
from tests.factories import make_dataset, make_model, parcels

pytestmark = pytest.mark.both_databases


@pytest.fixture
def dataset(open_stores):
    with open_stores() as stores:
        return make_dataset(stores)


@pytest.fixture
def start(open_stores, model, dataset):
    def start(**given):
        with open_stores() as stores:
            return service.start_batch(stores, model.id, **{"dataset_id": dataset.id, **given})

    return start


def test_a_job_waits_with_its_dataset_held(open_stores, start, dataset, model, clock):
    job = start()
    assert (job.status, job.version_id, job.rows_total) == (BatchStatus.QUEUED, "ver-001", None)
    with open_stores() as stores, pytest.raises(DatasetInUse):
        datasets.delete_dataset(stores, dataset.id)
    with open_stores() as stores:
        fail_batch(stores, job.batch_id, BatchFailure("no_row_predicted", "none"))
    with open_stores() as stores:
        datasets.delete_dataset(stores, dataset.id)
        assert service.get_batch(stores, model.id, job.batch_id).failure == BatchFailure("no_row_predicted", "none")


def test_a_dataset_without_the_columns_is_refused(open_stores, start, model):
    with open_stores() as stores:
        other = make_dataset(stores, parcels().drop(columns=["carrier", "weight_kg"]), name="Narrow")
    with pytest.raises(SchemaMismatch, match=r"lacks 2 columns.*carrier, weight_kg") as refused:
        start(dataset_id=other.id)
    assert refused.value.fields[0] == ("/dataset_id", "has no column 'carrier'")


def test_runs_and_jobs_share_one_queue(open_stores, runtime, start, model, dataset, monkeypatch):
    monkeypatch.setitem(runtime.config.__dict__, "queue_limit", 2)
    with open_stores() as stores:
        trained = make_model(stores, "Other", dataset=dataset)
    with open_stores() as stores:
        training.start_run(stores, trained.id)
    start()
    with pytest.raises(QuotaExceeded, match="2 runs and batch predictions"):
        start()


def test_without_a_promoted_version_one_must_be_named(open_stores, start, dataset):
    with open_stores() as stores:
        other = make_model(stores, "Empty")
    with open_stores() as stores, pytest.raises(NoVersion):
        service.start_batch(stores, other.id, dataset_id=dataset.id)


def test_a_job_is_held_by_one_worker_until_its_lease_is_out(runtime, open_stores, start, clock):
    first = start()
    clock.advance(seconds=1)
    second = start()
    with runtime.database.transaction(write=True) as db:
        assert claim_batch(db, "one", now=clock()).batch_id == first.batch_id
        assert claim_batch(db, "two", now=clock()).batch_id == second.batch_id
        assert claim_batch(db, "three", now=clock()) is None
    with open_stores() as stores:
        assert renew_lease(stores, first.batch_id, "one")
        assert not renew_lease(stores, first.batch_id, "two")
    clock.advance(seconds=LEASE.total_seconds() + 1)
    with runtime.database.transaction(write=True) as db:
        claim = claim_batch(db, "three", now=clock())
        assert (claim.batch_id, claim.attempt) == (first.batch_id, 2)
        expire_leases(db, "three", now=clock(), planned=True)
        assert claim_batch(db, "three", now=clock()).attempt == 2


def test_a_job_goes_with_its_model(open_stores, runtime, start, model, dataset):
    job = start()
    with open_stores() as stores:
        models.delete_model(stores, model.id)
    with open_stores() as stores, pytest.raises(BatchNotFound):
        service.get_batch(stores, model.id, job.batch_id)


def test_jobs_are_listed_newest_first(open_stores, start, model, clock):
    jobs = []
    for _ in range(3):
        jobs.append(start().batch_id)
        clock.advance(seconds=1)
    with open_stores(write=False) as stores:
        page = service.list_batches(stores, model.id, status=None, page=1, page_size=2)
        assert (page.total, [job.batch_id for job in page.results]) == (3, jobs[:0:-1])
        assert service.list_batches(stores, model.id, status=BatchStatus.FAILED, page=1, page_size=2).total == 0
