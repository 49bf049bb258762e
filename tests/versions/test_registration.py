from dataclasses import replace

import pytest

from studio.domain.versions import FileFormat, OnnxCheck, VersionStatus
from studio.errors import ModelNotFound
from studio.models import service as models
from studio.versions import service as versions
from tests.factories import make_model
from tests.versions.factories import add_by_client, add_run, add_version, cut_off, random_id


@pytest.fixture
def model(open_stores):
    with open_stores() as stores:
        return make_model(stores)


@pytest.mark.both_databases
def test_a_registered_version_is_ready_and_makes_its_model_ready(open_stores, model, tmp_path):
    file = tmp_path / "estimator"
    file.write_bytes(b"pickled")

    with open_stores() as stores:
        made = add_version(stores, model, model_file=file, description="deeper trees")

    with open_stores(write=False) as stores:
        found = versions.get_version(stores, model.id, "ver-001")
        assert found.version == made
        assert (made.status, made.algorithm, made.trained_by) == (VersionStatus.READY, "lightgbm", "user-1")
        assert (made.hyperparameters, made.description) == ({"n_estimators": 150}, "deeper trees")
        key = f"{model.id}/v1/model.pkl"
        assert found.artifacts.model_file == stores.files.uri_of(key)
        assert b"".join(stores.files.read_chunks(key)) == b"pickled"
        assert found.artifacts.onnx_file is None
        assert found.promotion is None
        shown = models.get_model(stores, model.id)
    assert (shown.status, shown.version, shown.promoted_version_id) == ("ready", 1, None)
    assert shown.metrics == {"accuracy": 0.9, "log_loss": 0.3, "roc_auc": None}


def test_what_became_of_an_onnx_file_is_kept(open_stores, model, tmp_path):
    (tmp_path / "onnx").write_bytes(b"onnx")
    checks = [
        OnnxCheck(True, None, 2.5e-16, 1e-5, 40),
        OnnxCheck(False, "its outputs differ", float("inf"), 1e-5, 40),
        OnnxCheck(False, "it cannot be converted: '\N{SNOWMAN}'", None, None, None),
        None,
    ]
    with open_stores() as stores:
        for check in checks:
            files = {FileFormat.ONNX: tmp_path / "onnx"} if check and check.passed else {}
            add_version(stores, model, onnx=check, more_files=files)

    with open_stores(write=False) as stores:
        found = [versions.get_version(stores, model.id, f"ver-00{number}").artifacts for number in (1, 2, 3, 4)]
    assert [artifacts.onnx_check for artifacts in found] == [
        checks[0], replace(checks[1], max_difference=None), checks[2], None,
    ]  # fmt: skip
    assert [bool(artifacts.onnx_file) for artifacts in found] == [True, False, False, False]


def test_registering_again_for_the_same_run_adds_nothing(open_stores, model):
    with open_stores() as stores:
        run_id, mlflow_run_id = add_run(stores, model)
        first = add_version(stores, model, run_id=run_id, mlflow_run_id=mlflow_run_id)
    with open_stores() as stores:
        again = add_version(stores, model, run_id=run_id, mlflow_run_id=mlflow_run_id)
        other = add_version(stores, model)

    assert again == first
    assert other.number == 2


def test_a_repeat_finishes_what_a_crash_left(open_stores, model, tmp_path):
    file = tmp_path / "estimator"
    with open_stores() as stores:
        run_id, mlflow_run_id = add_run(stores, model)
        with pytest.raises(FileNotFoundError):  # registered, and then its file cannot be sent
            add_version(stores, model, run_id=run_id, mlflow_run_id=mlflow_run_id, model_file=file)
    with open_stores(write=False) as stores:
        left = versions.find_version(stores, model.id, "ver-001")
        assert left.status is VersionStatus.IN_PROGRESS
        assert not versions.has_ready_version(stores, model.id)

    file.write_bytes(b"pickled")
    with open_stores() as stores:
        made = add_version(stores, model, run_id=run_id, mlflow_run_id=mlflow_run_id, model_file=file)

    assert (made.number, made.status) == (1, VersionStatus.READY)
    with open_stores(write=False) as stores:
        assert stores.files.exists(f"{model.id}/v1/model.pkl")
        assert versions.has_ready_version(stores, model.id)


def test_a_repeat_writes_the_own_rows_a_crash_left_out(open_stores, model):
    with cut_off(open_stores) as stores:
        run_id, mlflow_run_id = add_run(stores, model)
        add_version(stores, model, run_id=run_id, mlflow_run_id=mlflow_run_id)
    with open_stores(write=False) as stores:
        assert models.get_model(stores, model.id).status == "draft"

    with open_stores() as stores:
        add_version(stores, model, run_id=run_id, mlflow_run_id=mlflow_run_id)

    with open_stores(write=False) as stores:
        assert models.get_model(stores, model.id).status == "ready"


def test_the_metrics_shown_are_those_of_the_promoted_version(open_stores, model):
    with open_stores() as stores:
        add_version(stores, model, metrics={"accuracy": 0.8})
    with open_stores() as stores:
        versions.promote_version(stores, model.id, "ver-001")
    with open_stores() as stores:
        add_version(stores, model, metrics={"accuracy": 0.9})

    with open_stores(write=False) as stores:
        shown = models.get_model(stores, model.id)
    assert (shown.metrics, shown.version, shown.promoted_version_id) == ({"accuracy": 0.8}, 2, "ver-001")


def test_a_failed_run_leaves_no_version_in_progress(open_stores, model, tmp_path):
    with open_stores() as stores:
        run_id, mlflow_run_id = add_run(stores, model)
        with pytest.raises(FileNotFoundError):
            add_version(stores, model, run_id=run_id, mlflow_run_id=mlflow_run_id, model_file=tmp_path / "gone")

    with open_stores() as stores:
        closed = versions.close_unfinished_version(stores, model.id, run_id)
        assert versions.close_unfinished_version(stores, model.id, run_id) is None
        assert versions.close_unfinished_version(stores, model.id, "run-20260503-000000") is None

    assert closed.status is VersionStatus.FAILED
    with open_stores(write=False) as stores:
        assert models.get_model(stores, model.id).status == "draft"


def test_a_version_of_a_model_that_is_gone_is_refused(open_stores, model):
    with open_stores() as stores:
        run_id, mlflow_run_id = add_run(stores, model)
        models.delete_model(stores, model.id)
    with pytest.raises(ModelNotFound), open_stores() as stores:
        add_version(stores, model, run_id=run_id, mlflow_run_id=mlflow_run_id)


def test_find_promoted_follows_the_alias(open_stores, runtime, model):
    with open_stores(write=False) as stores:
        assert versions.find_promoted(stores, model.id) is None
        number = add_by_client(runtime, model)
        stores.registry.set_promoted(model.name, number)
        assert versions.find_promoted(stores, model.id).id == "ver-001"
        with pytest.raises(ModelNotFound):
            versions.find_promoted(stores, random_id())
