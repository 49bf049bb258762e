from datetime import UTC, datetime
from pathlib import Path

import pytest

from studio.backends.mlflow.connection import MlflowConnection
from studio.backends.mlflow.registry import Registry
from studio.backends.mlflow.runs import Runs
from studio.domain.versions import VersionStatus
from studio.errors import BackendDown, FileMissing, InvalidInput, ModelNotFound, NameTaken, VersionNotFound

NOW = datetime(2026, 5, 3, 7, 0, tzinfo=UTC)
NAMES = ["Late delivery risk", 'it\'s "late" 😀', "back\\slash % _ `tick`", "a -- b; c", "ümläut", ". ."]


def add_version(registry, runs, name, **given):
    """A version with one small file, as a training run leaves it."""
    mlflow_run_id = runs.create_run(name, run_id="run-20260503-9f31aa", run_name="first", started_at=NOW)
    runs.log_text(mlflow_run_id, "model/MLmodel", "flavors: {}\n")
    source = runs._artifact_uri(mlflow_run_id) + "/model"
    given = {"run_id": "run-20260503-9f31aa", "fields": {}, **given}
    return registry.register_version(name, source=source, mlflow_run_id=mlflow_run_id, **given)


def register_by_client(mlflow_connection, name, source="mlflow-artifacts:/workspaces/acme/1/x", **given):
    """A version as a plain MLflow client makes it."""
    with mlflow_connection.bound("acme") as client:
        return int(client.create_model_version(name, source, await_creation_for=0, **given).version)


def test_a_created_model_has_a_registered_model_and_an_experiment(mlflow_connection, registry):
    registry.create_model("Late", model_id="mdl-00c0ffee")

    entry = registry.find_entry("Late")
    assert (entry.name, entry.model_id, entry.promoted, entry.newest) == ("Late", "mdl-00c0ffee", None, None)
    with mlflow_connection.bound("acme") as client:
        assert client.get_experiment_by_name("Late").tags["studio.model_id"] == "mdl-00c0ffee"


def test_creating_a_model_again_changes_nothing(registry):
    registry.create_model("Late", model_id="mdl-00c0ffee")
    registry.create_model("Late", model_id="mdl-00c0ffee")

    assert [entry.name for entry in registry.list_entries()] == ["Late"]


def test_leftovers_of_a_try_that_was_cut_off_are_taken_over(mlflow_connection, registry):
    registry.create_model("Late", model_id="mdl-00000001")
    with mlflow_connection.bound("acme") as client:
        client.delete_experiment(client.get_experiment_by_name("Late").experiment_id)

    registry.create_model("Late", model_id="mdl-00000002")

    assert registry.find_entry("Late").model_id == "mdl-00000002"
    with mlflow_connection.bound("acme") as client:
        experiment = client.get_experiment_by_name("Late")
    assert (experiment.lifecycle_stage, experiment.tags["studio.model_id"]) == ("active", "mdl-00000002")


def test_a_name_in_use_is_refused_and_leaves_nothing(mlflow_connection, registry, runs):
    registry.create_model("Late", model_id="mdl-00000001")
    add_version(registry, runs, "Late")
    with mlflow_connection.bound("acme") as client:
        client.create_registered_model("made by a client")
        client.create_run(client.create_experiment("used by a client"))

    for name in ("Late", "made by a client", "used by a client"):
        with pytest.raises(NameTaken):
            registry.create_model(name, model_id="mdl-00000002")

    with pytest.raises(ModelNotFound):
        registry.find_entry("used by a client")
    assert registry.find_entry("Late").model_id == "mdl-00000001"


def test_another_organization_may_use_the_same_name_and_sees_nothing(mlflow_connection, registry, runs):
    registry.create_model("Late", model_id="mdl-00000001")
    version = add_version(registry, runs, "Late")
    other = Registry(mlflow_connection, "borealis")

    assert other.list_entries() == []
    with pytest.raises(VersionNotFound):
        other.get_version("Late", version.number)
    other.create_model("Late", model_id="mdl-00000002")
    assert other.list_versions("Late") == []
    assert len(registry.list_versions("Late")) == 1


@pytest.mark.parametrize("name", NAMES)
def test_names_of_any_signs_work_throughout(registry, runs, name):
    registry.create_model(name, model_id="mdl-00000001")
    registry.create_model("other", model_id="mdl-00000002")
    add_version(registry, runs, name)
    add_version(registry, runs, "other")
    registry.set_promoted(name, 1)

    assert [version.number for version in registry.list_versions(name)] == [1]
    assert registry.find_promoted(name) == 1
    registry.rename_model(name, name + " 2", model_id="mdl-00000001")
    assert registry.get_version(name + " 2", 1).is_promoted
    assert registry.delete_model(name + " 2") is not None


def test_renaming_keeps_versions_tags_aliases_and_runs(mlflow_connection, registry, runs):
    registry.create_model("Late", model_id="mdl-00000001")
    add_version(registry, runs, "Late", tags={"ticket": "ML-118"}, fields={"algorithm": "lightgbm"})
    registry.set_promoted("Late", 1)

    registry.rename_model("Late", "Later", model_id="mdl-00000001")
    registry.rename_model("Late", "Later", model_id="mdl-00000001")

    version = registry.get_version("Later", 1)
    assert (version.is_promoted, version.tags, version.algorithm) == (True, {"ticket": "ML-118"}, "lightgbm")
    assert registry.find_entry("Later").model_id == "mdl-00000001"
    assert runs.find_run("Later", "run-20260503-9f31aa") == version.mlflow_run_id
    with pytest.raises(ModelNotFound):
        registry.find_entry("Late")


def test_renaming_finishes_what_an_earlier_try_left_half_done(mlflow_connection, registry):
    registry.create_model("Late", model_id="mdl-00000001")
    with mlflow_connection.bound("acme") as client:
        client.rename_registered_model("Late", "Later")

    registry.rename_model("Late", "Later", model_id="mdl-00000001")

    with mlflow_connection.bound("acme") as client:
        assert client.get_experiment_by_name("Later") is not None
        assert client.get_experiment_by_name("Late") is None


def test_renaming_to_a_name_in_use_changes_nothing(mlflow_connection, registry):
    registry.create_model("Late", model_id="mdl-00000001")
    registry.create_model("Early", model_id="mdl-00000002")
    with mlflow_connection.bound("acme") as client:
        client.create_experiment("only an experiment")

    for taken in ("Early", "only an experiment"):
        with pytest.raises(NameTaken):
            registry.rename_model("Late", taken, model_id="mdl-00000001")

    assert registry.find_entry("Late").model_id == "mdl-00000001"
    assert registry.find_entry("Early").model_id == "mdl-00000002"
    with pytest.raises(ModelNotFound):
        registry.rename_model("nothing", "Early", model_id="mdl-00000001")


def test_a_deleted_models_name_is_free_at_once(registry, runs):
    registry.create_model("Late", model_id="mdl-00000001")
    add_version(registry, runs, "Late")

    retired = registry.delete_model("Late")

    assert registry.list_retired() == [retired]
    registry.create_model("Late", model_id="mdl-00000002")
    assert registry.list_versions("Late") == []
    assert runs.find_run("Late", "run-20260503-9f31aa") is None


def test_deleting_again_is_fine(registry):
    registry.create_model("Late", model_id="mdl-00000001")
    registry.delete_model("Late")

    assert registry.delete_model("Late") is None


def test_purging_removes_files_runs_models_and_traces(mlflow_connection, registry, runs, tmp_path):
    registry.create_model("Late", model_id="mdl-00000001")
    registry.create_model("Kept", model_id="mdl-00000002")
    add_version(registry, runs, "Late")
    kept = add_version(registry, runs, "Kept")
    with mlflow_connection.bound("acme") as client:
        experiment_id = client.get_experiment_by_name("Late").experiment_id
        client.create_logged_model(experiment_id, name="model")
        run_id = runs.find_run("Late", "run-20260503-9f31aa")
        client.delete_run(client.create_run(experiment_id).info.run_id)
    folder = tmp_path / "artifacts" / "workspaces" / "acme"
    assert (folder / experiment_id).is_dir()

    retired = registry.delete_model("Late")
    registry.purge(retired)
    registry.purge(retired)

    assert retired == experiment_id
    assert registry.list_retired() == []
    assert [path.name for path in folder.iterdir()] != [experiment_id]
    assert not (folder / experiment_id).exists()
    assert runs.read_artifact(kept.mlflow_run_id, "model/MLmodel") == b"flavors: {}\n"
    assert rows_of(tmp_path / "mlflow.db", "runs", "run_uuid", run_id) == 0
    assert rows_of(tmp_path / "mlflow.db", "logged_models", "experiment_id", int(experiment_id)) == 0
    assert rows_of(tmp_path / "mlflow.db", "experiments", "experiment_id", int(experiment_id)) == 0


def rows_of(database: Path, table: str, column: str, value: object) -> int:
    import sqlite3

    with sqlite3.connect(database) as connection:
        return connection.execute(f"SELECT count(*) FROM {table} WHERE {column} = ?", (value,)).fetchone()[0]


def test_an_experiment_in_use_is_not_purged(mlflow_connection, registry):
    registry.create_model("Late", model_id="mdl-00000001")
    with mlflow_connection.bound("acme") as client:
        experiment_id = client.get_experiment_by_name("Late").experiment_id

    with pytest.raises(ValueError, match="in use"):
        registry.purge(experiment_id)


def test_another_organizations_retired_experiment_is_absent(mlflow_connection, registry):
    registry.create_model("Late", model_id="mdl-00000001")
    retired = registry.delete_model("Late")
    other = Registry(mlflow_connection, "borealis")

    assert other.list_retired() == []
    other.purge(retired)
    assert registry.list_retired() == [retired]


def test_a_version_keeps_what_was_registered(registry, runs):
    registry.create_model("Late", model_id="mdl-00000001")
    fields = {
        "algorithm": "lightgbm",
        "trained_by": "user-042",
        "duration_s": 95.5,
        "hyperparameters": {"max_depth": 7, "name": 'ü "quoted" 😀'},
        "config": {"feature_columns": [f"column {number} {'x' * 90}" for number in range(2500)]},
        "metrics": {"accuracy": 0.9, "log_loss": float("nan"), "r2": None},
    }
    version = add_version(registry, runs, "Late", fields=fields, tags={"a": "b"}, description="deeper trees")

    assert version == registry.get_version("Late", 1)
    assert (version.id, version.status, version.is_promoted) == ("ver-001", VersionStatus.READY, False)
    assert (version.run_id, version.description, version.tags) == (
        "run-20260503-9f31aa",
        "deeper trees",
        {"a": "b"},
    )
    assert (version.algorithm, version.trained_by, version.duration_s) == ("lightgbm", "user-042", 95.5)
    assert version.hyperparameters == fields["hyperparameters"]
    assert version.config == fields["config"]
    assert version.metrics == {"accuracy": 0.9, "log_loss": None, "r2": None}
    assert version.created_at.tzinfo is UTC


def test_a_clients_version_is_external(mlflow_connection, registry):
    registry.create_model("Late", model_id="mdl-00000001")
    number = register_by_client(mlflow_connection, "Late", tags={"theirs": "yes"}, description="by hand")

    version = registry.get_version("Late", number)

    assert (version.algorithm, version.trained_by, version.run_id) == ("external", "mlflow", None)
    assert (version.duration_s, version.tags, version.description) == (None, {"theirs": "yes"}, "by hand")
    assert version.status is VersionStatus.READY


def test_versions_are_listed_newest_first(registry, runs):
    registry.create_model("Late", model_id="mdl-00000001")
    for _ in range(3):
        add_version(registry, runs, "Late")
    registry.set_promoted("Late", 2)

    assert [(version.number, version.is_promoted) for version in registry.list_versions("Late")] == [
        (3, False),
        (2, True),
        (1, False),
    ]


def test_one_version_is_promoted_at_a_time(registry, runs):
    registry.create_model("Late", model_id="mdl-00000001")
    add_version(registry, runs, "Late")
    add_version(registry, runs, "Late")

    registry.set_promoted("Late", 1)
    registry.set_promoted("Late", 2)

    assert registry.find_promoted("Late") == 2
    assert not registry.get_version("Late", 1).is_promoted
    registry.clear_promoted("Late")
    registry.clear_promoted("Late")
    assert registry.find_promoted("Late") is None
    with pytest.raises(VersionNotFound):
        registry.set_promoted("Late", 9)


def test_versions_a_client_staged_are_found_the_last_first(mlflow_connection, registry, runs):
    registry.create_model("Late", model_id="mdl-00000001")
    for _ in range(3):
        add_version(registry, runs, "Late")
    assert registry.list_staged("Late") == []

    for number in "31":
        with mlflow_connection.bound("acme") as client:
            client.transition_model_version_stage("Late", number, "Production")

    assert sorted(registry.list_staged("Late")) == [1, 3]


def test_a_promotion_is_alias_and_stage(mlflow_connection, registry, runs):
    registry.create_model("Late", model_id="mdl-00000001")
    for _ in range(2):
        add_version(registry, runs, "Late")

    def stages():
        with mlflow_connection.bound("acme") as client:
            return [client.get_model_version("Late", number).current_stage for number in "12"]

    for number in (1, 2, 2):
        registry.set_promoted("Late", number)
    assert stages() == ["Archived", "Production"]
    registry.clear_promoted("Late")
    assert stages() == ["Archived", "Archived"]


@pytest.mark.parametrize("key", ["studio.status", "mlflow.user", "😀", "a//b", "../a", "", "it's"])
def test_tags_that_cannot_be_are_refused(registry, runs, key):
    registry.create_model("Late", model_id="mdl-00000001")
    add_version(registry, runs, "Late")
    with pytest.raises(InvalidInput) as refused:
        registry.update_version("Late", 1, tags={"fine": "1", key: "1"})
    assert refused.value.fields[0][0] == "/tags/" + key.replace("/", "~1")
    assert registry.get_version("Late", 1).tags == {}


def test_mlflows_own_form_hides_our_tags(registry, runs):
    registry.create_model("Late", model_id="mdl-00000001")
    for _ in range(2):
        add_version(registry, runs, "Late", tags={"ticket": "ML-1"}, fields={"algorithm": "lightgbm"})
    registry.set_promoted("Late", 1)

    model, versions = registry.describe_model("Late"), registry.describe_versions("Late")

    assert (model["name"], model["description"], model["tags"]) == ("Late", "", [])
    assert model["aliases"] == [{"alias": "production", "version": "1"}]
    assert [(found["version"], found["aliases"]) for found in versions] == [("2", []), ("1", ["production"])]
    assert versions[0]["tags"] == [{"key": "ticket", "value": "ML-1"}]
    assert isinstance(model["creation_timestamp"], int)


def test_updating_a_version_replaces_the_users_tags_alone(registry, runs):
    registry.create_model("Late", model_id="mdl-00000001")
    add_version(registry, runs, "Late", fields={"algorithm": "lightgbm"}, tags={"old": "1", "kept": "1"})

    version = registry.update_version(
        "Late", 1, description="reviewed", tags={"kept": "2", "new": "3"}, status=VersionStatus.FAILED
    )

    assert version.tags == {"kept": "2", "new": "3"}
    assert (version.description, version.algorithm) == ("reviewed", "lightgbm")
    assert (version.status, version.run_id) == (VersionStatus.FAILED, "run-20260503-9f31aa")
    assert registry.update_version("Late", 1).description == "reviewed"
    for key in ("studio.algorithm", "mlflow.note"):
        with pytest.raises(InvalidInput):
            registry.update_version("Late", 1, tags={key: "x"})
    with pytest.raises(VersionNotFound):
        registry.update_version("Late", 2, description="x")


def test_a_deleted_version_is_gone_with_its_files_and_its_number(registry, runs):
    registry.create_model("Late", model_id="mdl-00000001")
    first = add_version(registry, runs, "Late")
    second = add_version(registry, runs, "Late")

    registry.delete_version("Late", second.number)

    assert [version.number for version in registry.list_versions("Late")] == [1]
    assert runs.list_artifacts(second.mlflow_run_id) == []
    assert runs.list_artifacts(first.mlflow_run_id) == [("model/MLmodel", 12)]
    assert add_version(registry, runs, "Late").number == 3
    with pytest.raises(VersionNotFound):
        registry.delete_version("Late", 2)


def test_files_another_version_shares_are_kept(mlflow_connection, registry, runs):
    registry.create_model("Late", model_id="mdl-00000001")
    version = add_version(registry, runs, "Late")
    register_by_client(mlflow_connection, "Late", f"runs:/{version.mlflow_run_id}/model")

    registry.delete_version("Late", 1)

    assert registry.read_schema("Late", 2).flavors == []
    registry.delete_version("Late", 2)
    assert runs.list_artifacts(version.mlflow_run_id) == []


def test_a_source_outside_the_organization_is_not_read(mlflow_connection, registry, tmp_path):
    registry.create_model("Late", model_id="mdl-00000001")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "MLmodel").write_text("flavors: {}\n")
    sources = [
        f"file://{tmp_path}/secret",
        "mlflow-artifacts:/workspaces/borealis/1/x",
        "mlflow-artifacts:/workspaces/acme/../../../secret",
        "mlflow-artifacts://elsewhere/workspaces/acme/1",
        "s3://bucket/workspaces/acme/1",
    ]
    for source in sources:
        number = register_by_client(mlflow_connection, "Late", source)
        with pytest.raises(InvalidInput):
            registry.read_schema("Late", number)

    number = register_by_client(mlflow_connection, "Late", "runs:/" + "0" * 32 + "/model")
    with pytest.raises(FileMissing):
        registry.read_schema("Late", number)


def test_absent_models_and_versions_have_their_own_errors(registry):
    with pytest.raises(ModelNotFound):
        registry.find_promoted("nothing")
    with pytest.raises(ModelNotFound):
        registry.list_versions("nothing")
    with pytest.raises(VersionNotFound, match="ver-001"):
        registry.get_version("nothing", 1)


def test_a_database_that_is_down_says_so_at_once(tmp_path):
    connection = MlflowConnection("postgresql+psycopg://nobody@127.0.0.1:1/none", str(tmp_path))

    with pytest.raises(BackendDown):
        Registry(connection, "acme").list_entries()
    with pytest.raises(BackendDown):
        Runs(connection, "acme").get_run("0" * 32)
