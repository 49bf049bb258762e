import threading
from datetime import UTC, datetime, timedelta

import pytest

from studio.backends.mlflow.run_values import MetricPoint
from studio.backends.mlflow.runs import Runs, Trial
from studio.errors import BadKey, FileMissing, ModelNotFound, RunNotFound

NOW = datetime(2026, 5, 3, 7, 0, tzinfo=UTC)


@pytest.fixture
def mlflow_run_id(registry, runs):
    registry.create_model("Late", model_id="mdl-00000001")
    return runs.create_run("Late", run_id="run-20260503-9f31aa", run_name="first", started_at=NOW, tags={"a": "b"})


def trial(number=0, **given):
    values = {
        "algorithm": "lightgbm",
        "params": {"max_depth": 7, "rate": 0.1},
        "metric": "roc_auc",
        "score": 0.94,
        "state": "completed",
        "started_at": NOW,
        "duration_s": 2.5,
    }
    return Trial(number=number, **{**values, **given})


def test_a_run_is_found_by_our_id(runs, mlflow_run_id):
    assert runs.find_run("Late", "run-20260503-9f31aa") == mlflow_run_id
    assert runs.find_run("Late", "run-20260503-000000") is None
    assert runs.find_run("nothing", "run-20260503-9f31aa") is None

    record = runs.get_run(mlflow_run_id)
    assert (record.name, record.status, record.started_at, record.ended_at) == ("first", "RUNNING", NOW, None)
    assert record.tags["a"] == "b"


def test_a_run_needs_its_models_experiment(registry, runs):
    with pytest.raises(ModelNotFound):
        runs.create_run("Late", run_id="run-20260503-9f31aa", run_name="first", started_at=NOW)
    registry.create_model("Late", model_id="mdl-00000001")
    registry.delete_model("Late")
    with pytest.raises(ModelNotFound):
        runs.create_run("Late", run_id="run-20260503-9f31aa", run_name="first", started_at=NOW)


def test_params_metrics_and_tags_of_any_number_and_length_are_kept(runs, mlflow_run_id):
    params = {f"param {number}": number for number in range(250)}
    runs.log_params(mlflow_run_id, {**params, "long": "x" * 9000, "a*b(c)": {"list": [1]}})
    runs.log_metrics(mlflow_run_id, [MetricPoint("loss", 1 / (n + 1), n, NOW) for n in range(2500)])
    runs.log_tags(mlflow_run_id, {"note": "y" * 9000})

    record = runs.get_run(mlflow_run_id)
    assert len(record.params) == 252
    assert record.params["long"] == "x" * 6000
    assert record.params["a_b_c_"] == '{"list": [1]}'
    assert record.metrics == {"loss": pytest.approx(1 / 2500)}
    assert record.tags["note"] == "y" * 8000
    history = runs.metric_history(mlflow_run_id, "loss")
    assert [point.step for point in history] == list(range(2500))
    assert history[0] == MetricPoint("loss", 1.0, 0, NOW)
    assert runs.metric_history(mlflow_run_id, "nothing") == []


def test_trials_are_children_of_their_run(mlflow_connection, runs, mlflow_run_id):
    runs.log_trial(mlflow_run_id, trial(1, score=None, state="failed"))
    runs.log_trial(mlflow_run_id, trial(0))
    runs.log_trial(mlflow_run_id, trial(2, state="pruned", params={f"p{n}": n for n in range(300)}))

    found = runs.list_trials(mlflow_run_id)

    assert [(t.tags["studio.trial"], t.status) for t in found] == [
        ("0", "FINISHED"),
        ("1", "FAILED"),
        ("2", "KILLED"),
    ]
    assert (found[0].metrics, found[1].metrics) == ({"roc_auc": 0.94}, {})
    assert found[0].params == {"algorithm": "lightgbm", "max_depth": "7", "rate": "0.1"}
    assert (found[0].started_at, found[0].ended_at) == (NOW, NOW + timedelta(seconds=2.5))
    assert found[0].tags["mlflow.parentRunId"] == mlflow_run_id
    assert Runs(mlflow_connection, "acme").list_trials(mlflow_run_id) == found


def test_a_run_ends(runs, mlflow_run_id):
    runs.end_run(mlflow_run_id, "KILLED", ended_at=NOW + timedelta(minutes=1))
    runs.end_run(mlflow_run_id, "KILLED", ended_at=NOW + timedelta(minutes=1))

    record = runs.get_run(mlflow_run_id)
    assert (record.status, record.ended_at) == ("KILLED", NOW + timedelta(minutes=1))


def test_artifacts_come_back_as_they_were_stored(runs, mlflow_run_id, tmp_path):
    (tmp_path / "rows.parquet").write_bytes(b"\x00\x01")
    runs.log_text(mlflow_run_id, "evaluation/report.json", '{"ü": 1}')
    runs.log_file(mlflow_run_id, tmp_path / "rows.parquet", folder="evaluation/test")
    runs.log_text(mlflow_run_id, "evaluation/report.json", '{"ü": 2}')

    assert runs.read_artifact(mlflow_run_id, "evaluation/report.json").decode() == '{"ü": 2}'
    assert runs.read_artifact(mlflow_run_id, "evaluation/test/rows.parquet") == b"\x00\x01"
    assert runs.list_artifacts(mlflow_run_id) == [
        ("evaluation/report.json", 9),
        ("evaluation/test/rows.parquet", 2),
    ]
    stored = tmp_path / "artifacts" / "workspaces" / "acme"
    assert len(list(stored.rglob("report.json"))) == 1


@pytest.mark.parametrize("path", ["nothing.json", "evaluation"])
def test_an_artifact_that_is_not_there_is_missing(runs, mlflow_run_id, path):
    runs.log_text(mlflow_run_id, "evaluation/report.json", "{}")

    with pytest.raises(FileMissing):
        runs.read_artifact(mlflow_run_id, path)


@pytest.mark.parametrize("path", ["../../../../../mlflow.db", "/etc/passwd", "evaluation/../../x"])
def test_an_artifacts_path_stays_inside_its_run(runs, mlflow_run_id, path):
    with pytest.raises(BadKey):
        runs.read_artifact(mlflow_run_id, path)
    with pytest.raises(BadKey):
        runs.log_text(mlflow_run_id, path, "x")


def test_another_organizations_run_is_absent(mlflow_connection, runs, mlflow_run_id):
    runs.log_text(mlflow_run_id, "report.json", "{}")
    other = Runs(mlflow_connection, "borealis")

    for act in (
        lambda: other.get_run(mlflow_run_id),
        lambda: other.read_artifact(mlflow_run_id, "report.json"),
        lambda: other.log_params(mlflow_run_id, {"a": 1}),
        lambda: other.log_trial(mlflow_run_id, trial()),
        lambda: other.end_run(mlflow_run_id, "FAILED", ended_at=NOW),
        lambda: other.list_trials(mlflow_run_id),
    ):
        with pytest.raises(RunNotFound):
            act()


def test_threads_of_two_organizations_do_not_mix(mlflow_connection, registry):
    from studio.backends.mlflow.registry import Registry

    barrier = threading.Barrier(4)
    failures = []

    def work(organization, place):
        try:
            own, own_runs = Registry(mlflow_connection, organization), Runs(mlflow_connection, organization)
            barrier.wait()
            own.create_model(f"model {place}", model_id=f"mdl-0000000{place}")
            for number in range(3):
                own_runs.create_run(f"model {place}", run_id=f"run-{number}", run_name="r", started_at=NOW)
        except Exception as fault:
            failures.append(fault)

    threads = [threading.Thread(target=work, args=(("acme", "borealis")[n % 2], n)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert sorted(entry.name for entry in registry.list_entries()) == ["model 0", "model 2"]
    borealis = Registry(mlflow_connection, "borealis")
    assert sorted(entry.name for entry in borealis.list_entries()) == ["model 1", "model 3"]
