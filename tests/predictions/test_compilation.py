"""Deployed models are compiled where the graph was seen to answer what the model answers, and nowhere else."""

import numpy as np
import orjson
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from studio.automl.calibration import Calibration
from studio.automl.columns import ColumnReader
from studio.backends.mlflow import compilation, loading
from studio.backends.mlflow.hosted_model import HostedModel
from studio.backends.mlflow.model_files import save_model
from studio.backends.serving.called_model import CalledModel
from studio.backends.serving.wire import to_json
from studio.exports.onnx.compiled import CompiledModel
from tests.exports.pipelines import TYPES, fit_member, orders, pipeline_of


@pytest.fixture(scope="module")
def frame():
    return orders()


def rows_of(frame):
    return orjson.loads(to_json(frame.to_dict("records")))


def write(pipeline, frame, folder):
    save_model(folder, pipeline, input_example=frame[list(TYPES)].head(5).astype({"fragile": "boolean"}))
    return str(folder)


@pytest.mark.parametrize("target", ["late", "class", "hours"])
def test_a_compiled_model_answers_as_the_model_does(frame, tmp_path, target):
    reader = ColumnReader(TYPES).fit(frame)
    members = [fit_member(name, reader, frame, target) for name in ("lightgbm", "xgboost", "neural_network")]
    calibration = Calibration(temperature=1.3) if target != "hours" else None
    pipeline = pipeline_of(frame, target, *members, reader=reader, calibration=calibration)
    address = write(pipeline, frame, tmp_path / "model")
    frame[list(TYPES)].to_parquet(tmp_path / "sample.parquet")
    compiled = loading.load_deployed(address, None, str(tmp_path / "sample.parquet"))
    assert isinstance(compiled, CompiledModel)
    rows = rows_of(frame[list(TYPES)])
    found, wanted = CalledModel(compiled).predict(rows), CalledModel(loading.load_version(address)).predict(rows)
    if target == "hours":
        np.testing.assert_allclose(found[0], wanted[0], rtol=1e-6)
        return
    assert found[0] == wanted[0]
    assert [share.keys() for share in found[1]] == [share.keys() for share in wanted[1]]
    np.testing.assert_allclose(pd.DataFrame(found[1]), pd.DataFrame(wanted[1]), atol=1e-6)


def test_without_a_sample_the_example_in_the_folder_serves(frame, tmp_path):
    reader = ColumnReader(TYPES).fit(frame)
    pipeline = pipeline_of(frame, "late", fit_member("lightgbm", reader, frame, "late"), reader=reader)
    address = write(pipeline, frame, tmp_path / "model")
    assert isinstance(loading.load_deployed(address), CompiledModel)
    assert isinstance(loading.load_deployed(address, None, str(tmp_path / "gone.parquet")), CompiledModel)


def test_a_graph_that_answers_something_else_is_not_used(frame, tmp_path, monkeypatch):
    reader = ColumnReader(TYPES).fit(frame)
    right, wrong = (
        pipeline_of(frame, "late", fit_member(name, reader, frame, "late"), reader=reader)
        for name in ("lightgbm", "random_forest")
    )
    convert = compilation.convert
    monkeypatch.setattr(compilation, "convert", lambda _: convert(wrong))
    loaded = loading.load_deployed(write(right, frame, tmp_path / "model"))
    assert isinstance(loaded, HostedModel)
    assert CalledModel(loaded).predict(rows_of(frame[list(TYPES)].head(3)))[0] == right.predict(frame.head(3)).tolist()


def test_a_model_of_another_make_is_served_as_it_is(frame, tmp_path):
    model = LinearRegression().fit(frame[["code"]].fillna(0), frame["hours"])
    save_model(tmp_path / "model", model, input_example=frame[["code"]].fillna(0).head(3))
    assert isinstance(loading.load_deployed(str(tmp_path / "model")), HostedModel)
