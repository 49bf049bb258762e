"""What is left of a deleted model once the worker has purged it: its audit entries, and nothing else."""

import pytest
from sqlalchemy import func, select

from studio.audit.tables import AuditRow
from studio.models import service as models
from studio.models.tables import ModelRow, PurgeRow
from studio.training import service as training
from studio.training.jobs import purge_deleted
from studio.training.tables import RunEventRow, RunRow
from tests.factories import make_dataset, make_model
from tests.versions.factories import add_version

pytestmark = pytest.mark.both_databases


@pytest.fixture
def trained(open_stores, tmp_path):
    """A model with a version, its files, and a queued run with a work folder."""
    with open_stores() as stores:
        dataset = make_dataset(stores)
        model = make_model(stores, "one", dataset=dataset, config={"target_column": "late"})
    with open_stores() as stores:
        (tmp_path / "model.pkl").write_bytes(b"bytes of a model")
        add_version(stores, model, model_file=tmp_path / "model.pkl")
    with open_stores() as stores:
        run = training.start_run(stores, model.id)
    folder = tmp_path / "runs" / run.run_id
    folder.mkdir(parents=True)
    (folder / "journal").write_text("trials")
    return model, folder


def left_of(stores, model):
    rows = {
        table.__tablename__: stores.db.scalar(select(func.count()).select_from(table))
        for table in (ModelRow, PurgeRow, RunRow, RunEventRow)
    }
    return {**rows, "files": len(stores.files.list_keys(model.id)), "mlflow": len(stores.registry.list_retired())}


def test_nothing_is_left_but_the_audit(trained, open_stores, runtime, tmp_path):
    model, folder = trained
    with open_stores() as stores:
        assert left_of(stores, model)["files"] == 1
        models.delete_model(stores, model.id, force=True)
    with open_stores() as stores:
        assert models.find_model_by_name(stores, "one") is None
        make_model(stores, "one")  # the name is free at once
    assert purge_deleted(runtime.database, runtime.open_stores, tmp_path) == 1
    with open_stores() as stores:
        left = left_of(stores, model)
        assert left == {"models": 1, "purges": 0, "training_runs": 0, "run_events": 0, "files": 0, "mlflow": 0}
        assert stores.db.scalar(select(func.count()).where(AuditRow.model_id == model.id)) > 0
    assert not folder.exists()
    assert purge_deleted(runtime.database, runtime.open_stores, tmp_path) == 0


def test_a_purge_that_was_cut_off_goes_on(trained, open_stores, runtime, tmp_path):
    model, folder = trained
    with open_stores() as stores:
        models.delete_model(stores, model.id, force=True)
    with open_stores() as stores:  # as far as a worker came that was killed
        for retired in stores.registry.list_retired():
            stores.registry.purge(retired)
        stores.files.delete_folder(model.id)
    assert purge_deleted(runtime.database, runtime.open_stores, tmp_path) == 1
    with open_stores() as stores:
        assert set(left_of(stores, model).values()) == {0}
    assert not folder.exists()
