"""A version while its run is making it, and what becomes of it when the run does not come to its end."""

import pytest

from studio.domain.run_records import Failure
from studio.domain.versions import VersionStatus
from studio.errors import RunInProgress
from studio.models import service as models
from studio.training import service as training
from studio.versions import service as versions
from tests.factories import make_dataset, make_model
from tests.versions.factories import add_run, add_version


@pytest.fixture
def model(open_stores):
    with open_stores() as stores:
        return make_model(stores, dataset=make_dataset(stores))


@pytest.fixture
def run(open_stores, model, clock, tmp_path):
    """A run whose process was killed while it sent the files of its version."""
    with open_stores() as stores:
        run = training.start_run(stores, model.id)
        training.claim_run(stores.db, "worker", now=clock())
        facts = dict(zip(("run_id", "mlflow_run_id"), add_run(stores, model, run.run_id), strict=True))
    with pytest.raises(FileNotFoundError), open_stores() as stores:
        add_version(stores, model, **facts, model_file=tmp_path / "gone")
    return run


def status_of(open_stores, model):
    with open_stores(write=False) as stores:
        return versions.get_version(stores, model.id, "ver-001").version.status


@pytest.mark.both_databases
def test_a_version_in_the_making_is_not_deleted(open_stores, model, run):
    with pytest.raises(RunInProgress, match=f"ver-001 is being made by run {run.run_id}"), open_stores() as stores:
        versions.delete_version(stores, model.id, "ver-001")

    assert status_of(open_stores, model) is VersionStatus.IN_PROGRESS


def test_one_that_is_complete_waits_for_the_end_of_its_run(open_stores, model, run):
    with open_stores() as stores:
        version = add_version(stores, model, run_id=run.run_id, mlflow_run_id="-")
    with pytest.raises(RunInProgress), open_stores() as stores:
        versions.delete_version(stores, model.id, version.id)
    with open_stores() as stores:
        training.complete_run(stores, run.run_id, version=version, timed_out=False, stage_seconds={})
    with open_stores() as stores:
        versions.delete_version(stores, model.id, version.id)
    with open_stores(write=False) as stores:
        assert not versions.has_version(stores, model.id)


def test_other_versions_are_deleted_meanwhile(open_stores, model, run):
    with open_stores() as stores:
        other = add_version(stores, model)
    with open_stores() as stores:
        versions.delete_version(stores, model.id, other.id)
    with open_stores(write=False) as stores:
        assert models.get_model(stores, model.id).status == "training"


@pytest.mark.both_databases
@pytest.mark.parametrize("end", ["cancelled", "failed"])
def test_the_end_of_the_run_fails_it_and_lets_it_go(open_stores, model, run, end):
    with open_stores() as stores:
        if end == "cancelled":
            training.cancel_orphan(stores, run.run_id, reason="user")
        else:
            training.fail_run(stores, run.run_id, Failure("worker_lost", "Given up.", "artifact_upload"))
    assert status_of(open_stores, model) is VersionStatus.FAILED

    with open_stores() as stores:
        versions.delete_version(stores, model.id, "ver-001")
    with open_stores(write=False) as stores:
        assert not versions.has_version(stores, model.id)


def test_the_refusal_names_the_run(client, headers, model, run):
    answer = client.delete(f"/api/v1/models/{model.id}/versions/ver-001", headers=headers())
    assert (answer.status_code, answer.json["code"], answer.json["run_id"]) == (409, "run_in_progress", run.run_id)
