import operator
import os
import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import studio
from studio.automl.columns import ColumnReader
from studio.backends.mlflow.environment import environment_of
from studio.backends.mlflow.model_files import (
    ModelColumn,
    load_estimator,
    load_pyfunc,
    save_model,
    signature_of,
)
from studio.backends.mlflow.shipped_code import pinned_requirements
from studio.errors import FileMissing

NOW = datetime(2026, 5, 3, 7, 0, tzinfo=UTC)
TYPES = {
    "distance_km": "number",
    "pieces": "number",
    "floors": "number",
    "carrier": "category",
    "is_fragile": "boolean",
    "sent_at": "datetime",
}
LABELS = ["late", "on time", "late", "late"]


@pytest.fixture
def estimator(parcels):
    """A pipeline with one of our own transformers."""
    pipeline = make_pipeline(
        ColumnReader(TYPES),
        FunctionTransformer(operator.attrgetter("values")),
        SimpleImputer(),
        LogisticRegression(),
    )
    return pipeline.fit(parcels, LABELS)


@pytest.fixture
def version(registry, runs, estimator, parcels):
    registry.create_model("Late", model_id="mdl-00000001")
    mlflow_run_id = runs.create_run("Late", run_id="run-20260503-9f31aa", run_name="first", started_at=NOW)
    saved = runs.log_model(mlflow_run_id, estimator, input_example=parcels)
    return registry.register_version(
        "Late", source=saved.uri, mlflow_run_id=mlflow_run_id, run_id="run-20260503-9f31aa", fields={}
    )


def test_a_logged_model_predicts_as_before(registry, version, estimator, parcels, tmp_path):
    folder = registry.fetch_model("Late", version.number, tmp_path)

    np.testing.assert_array_equal(load_pyfunc(folder).predict(parcels), estimator.predict(parcels))
    np.testing.assert_array_equal(load_estimator(folder).predict_proba(parcels), estimator.predict_proba(parcels))


def test_loading_leaves_our_own_package_in_place(registry, version, tmp_path):
    folder = registry.fetch_model("Late", version.number, tmp_path)
    before = list(sys.path)

    loaded = load_estimator(folder)

    assert type(loaded[0]) is ColumnReader
    assert sys.path[: len(before)] == before
    assert not Path(studio.__file__).is_relative_to(folder)


def test_the_columns_are_read_without_loading_the_model(registry, version):
    schema = registry.read_schema("Late", version.number)

    assert schema.inputs == [
        ModelColumn("distance_km", "double"),
        ModelColumn("pieces", "long"),
        ModelColumn("floors", "double"),
        ModelColumn("carrier", "string"),
        ModelColumn("is_fragile", "boolean"),
        ModelColumn("sent_at", "datetime"),
    ]
    assert schema.outputs == [ModelColumn("prediction", "string")]
    assert schema.flavors == ["python_function", "sklearn"]


def test_mlflow_shows_the_model_at_its_run(mlflow_connection, version):
    with mlflow_connection.bound("acme") as client:
        [output] = client.get_run(version.mlflow_run_id).outputs.model_outputs
        logged = client.get_logged_model(output.model_id)

    assert (logged.status.name, logged.source_run_id) == ("READY", version.mlflow_run_id)
    assert logged.artifact_location == version.source


def test_a_model_that_cannot_be_saved_is_marked_failed(mlflow_connection, registry, runs, parcels):
    registry.create_model("Late", model_id="mdl-00000001")
    mlflow_run_id = runs.create_run("Late", run_id="run-20260503-9f31aa", run_name="first", started_at=NOW)

    with pytest.raises(AttributeError, match="predict"):
        runs.log_model(mlflow_run_id, object(), input_example=parcels)

    with mlflow_connection.bound("acme") as client:
        experiment = client.get_experiment_by_name("Late").experiment_id
        [logged] = client.search_logged_models([experiment])
    assert logged.status.name == "FAILED"


def test_a_nullable_whole_number_column_is_a_double():
    frame = pd.DataFrame({"pieces": pd.array([1, None], dtype="Int64"), "exact": np.array([1, 2], dtype="int32")})

    signature = signature_of(frame, np.array([1, 2]))

    assert [column.type.name for column in signature.inputs.inputs] == ["double", "long"]
    assert signature.outputs.inputs[0].type.name == "long"


def test_requirements_are_pinned_to_what_is_installed(estimator, parcels, tmp_path):
    save_model(tmp_path / "model", estimator, input_example=parcels)

    lines = (tmp_path / "model" / "requirements.txt").read_text().split()
    assert pinned_requirements(["sklearn"])[0] in lines
    assert any(line.startswith("mlflow==") for line in lines)
    assert not any(line.startswith(("optuna", "lightgbm", "model-studio", "flask")) for line in lines)
    shipped = {str(path.relative_to(tmp_path / "model" / "code")) for path in (tmp_path / "model").rglob("*.py")}
    assert {"studio/__init__.py", "studio/automl/__init__.py", "studio/automl/columns.py"} <= shipped
    assert "studio/automl/boosters.py" not in shipped


def test_an_estimator_of_other_packages_needs_no_code_of_ours(parcels, tmp_path):
    numbers = parcels[["distance_km", "pieces"]]

    save_model(tmp_path / "model", LogisticRegression().fit(numbers, LABELS), input_example=numbers)

    assert not (tmp_path / "model" / "code").exists()


def test_a_process_that_may_not_unpickle_does_not(registry, version, tmp_path, monkeypatch):
    folder = registry.fetch_model("Late", version.number, tmp_path)
    for name, value in environment_of("sqlite://", str(tmp_path)).items():
        monkeypatch.setenv(name, value)

    with pytest.raises(MlflowException, match="disallowed"):
        load_pyfunc(folder)


def test_a_folder_that_is_no_model_is_missing(registry, runs):
    registry.create_model("Late", model_id="mdl-00000001")
    mlflow_run_id = runs.create_run("Late", run_id="run-20260503-9f31aa", run_name="first", started_at=NOW)
    source = f"runs:/{mlflow_run_id}/nothing"
    version = registry.register_version("Late", source=source, mlflow_run_id=None, run_id=None, fields={})

    with pytest.raises(FileMissing):
        registry.read_schema("Late", version.number)


@pytest.mark.slow
def test_a_logged_model_loads_where_model_studio_is_not_installed(registry, version, parcels, tmp_path):
    folder = registry.fetch_model("Late", version.number, tmp_path / "download")
    parcels.to_pickle(tmp_path / "rows.pkl")
    script = tmp_path / "elsewhere.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import importlib.util, pathlib, sys
            own = pathlib.Path({str(Path(studio.__file__).parents[1])!r})
            sys.path = [entry for entry in sys.path if entry and pathlib.Path(entry).resolve() != own]
            sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
            assert importlib.util.find_spec("studio") is None
            import mlflow, pandas
            rows = pandas.read_pickle({str(tmp_path / "rows.pkl")!r})
            print(list(mlflow.pyfunc.load_model({str(folder)!r}).predict(rows)))
            import studio
            assert pathlib.Path(studio.__file__).is_relative_to({str(folder)!r})
            """
        )
    )
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/none.db"}

    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().count("late") >= 1


def test_an_optional_column_may_be_left_out_and_may_have_gaps():
    frame = pd.DataFrame({"at": pd.to_datetime(["2026-05-03"]), "sold": [3]})

    at, sold = signature_of(frame, np.array([1.5]), ["sold"]).inputs.inputs

    assert (at.required, at.type.name) == (True, "datetime")
    assert (sold.required, sold.type.name) == (False, "double")
