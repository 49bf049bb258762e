import gc

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.linear_model import LinearRegression

from studio.backends.mlflow.digests import digest_of
from studio.backends.mlflow.hosted_model import HostedModel
from studio.backends.mlflow.loading import load_version
from studio.backends.mlflow.model_files import ModelColumn, save_model
from studio.backends.mlflow.storage import ArtifactStorage
from studio.errors import ModelFilesChanged
from tests.factories import make_model, parcels
from tests.versions.factories import FEATURES, add_model_version, classifier, example_of


class Recorder:
    """Keeps the frame it was asked with."""

    def predict(self, frame):
        self.frame = frame
        return np.zeros(len(frame))


def frame_of(rows, **types):
    return HostedModel(Recorder(), [ModelColumn(*pair) for pair in types.items()]).input_frame(rows)


def test_rows_become_the_columns_the_model_was_fitted_on():
    rows = [{"n": 1, "w": 7, "s": "x", "b": True, "t": "2026-05-03T09:00:00+02:00", "more": 1}]
    frame = frame_of(rows, t="datetime", n="double", w="long", s="string", b="boolean")

    assert list(frame) == ["t", "n", "w", "s", "b"]
    assert [kind.kind for kind in frame.dtypes[["n", "w", "b"]]] == ["f", "i", "b"]
    assert frame["t"][0] == pd.Timestamp("2026-05-03T07:00:00")
    assert frame["s"].tolist() == ["x"]


def test_gaps_are_missing_values():
    frame = frame_of([{}, {"n": 1.5, "w": 2}], n="double", w="long", s="string", b="boolean", t="datetime")

    assert frame.loc[0].isna().all()
    assert (frame["n"][1], frame["w"][1]) == (1.5, 2.0)
    assert pd.api.types.is_datetime64_any_dtype(frame["t"])


def test_what_a_column_cannot_hold_is_left_to_the_model():
    assert frame_of([{"n": "many"}], n="double")["n"].tolist() == ["many"]


def test_a_model_without_a_signature_takes_rows_as_they_come():
    assert HostedModel(Recorder(), None).input_frame([{"b": 1, "a": 2}]).to_dict("records") == [{"b": 1, "a": 2}]


def test_a_regression_offers_no_probabilities():
    model = HostedModel(LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0]), None)
    assert not hasattr(model, "predict_proba")
    assert model.predict(pd.DataFrame({"x": [3.0]})).tolist() == pytest.approx([6.0])


def test_a_version_predicts_as_its_estimator_did(open_stores):
    with open_stores() as stores:
        model = make_model(stores)
    with open_stores() as stores:
        add_model_version(stores, model, classifier())
    with open_stores(write=False) as stores:
        loaded = load_version(stores.registry.storage_address(model.name, 1))

    frame = parcels()[FEATURES]
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    assert loaded.predict(loaded.input_frame(rows)).tolist() == classifier().predict(frame).tolist()
    assert loaded.classes_.tolist() == ["late", "on_time"]
    expected = classifier().predict_proba(frame)
    assert loaded.predict_proba(loaded.input_frame(rows)) == pytest.approx(expected)


@pytest.fixture
def folder(tmp_path):
    """A model folder on this machine."""
    save_model(tmp_path / "model", classifier(), input_example=example_of(parcels()))
    return tmp_path / "model"


def test_a_model_that_is_no_estimator_loads_as_mlflows_generic_one(folder):
    description = yaml.safe_load((folder / "MLmodel").read_text())
    del description["flavors"]["sklearn"]
    (folder / "MLmodel").write_text(yaml.safe_dump(description))

    loaded = load_version(str(folder))

    frame = loaded.input_frame(example_of(parcels()).to_dict("records"))
    assert list(loaded.predict(frame)) == classifier().predict(example_of(parcels())).tolist()
    assert not hasattr(loaded, "classes_")


@pytest.mark.slow
def test_a_model_loads_from_s3_and_leaves_no_copy(folder, s3_server, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", s3_server.endpoint_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.secret_key)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    storage = ArtifactStorage(f"s3://{s3_server.new_bucket()}/artifacts", "acme")
    uri = "mlflow-artifacts:/workspaces/acme/1/models/m-1/artifacts"
    storage.put_folder(uri, folder)

    loaded = load_version(storage.locate(uri))
    assert loaded.classes_.tolist() == ["late", "on_time"]
    assert list(tmp_path.glob("model-*"))

    del loaded
    gc.collect()
    assert not list(tmp_path.glob("model-*"))


def test_a_folder_that_was_changed_is_not_loaded(folder):
    digest = digest_of(folder)
    assert load_version(str(folder), digest).classes_.tolist() == ["late", "on_time"]
    assert digest_of(folder) == digest  # loading leaves nothing behind in it

    (folder / "more.py").write_text("")
    with pytest.raises(ModelFilesChanged, match="not those that were registered"):
        load_version(str(folder), digest)


def test_a_link_in_a_folder_is_a_change(folder, tmp_path):
    digest = digest_of(folder)
    (tmp_path / "elsewhere.pkl").write_bytes((folder / "model.pkl").read_bytes())
    (folder / "model.pkl").unlink()
    (folder / "model.pkl").symlink_to(tmp_path / "elsewhere.pkl")
    with pytest.raises(ModelFilesChanged, match="symbolic link"):
        load_version(str(folder), digest)
