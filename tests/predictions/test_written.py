"""A model of columns that were written their own way takes them so, and plain, wherever it is asked."""

import json
import pickle

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
import skops.io
from mlflow.pyfunc.scoring_server import invocations

from studio.automl.plan import Plan
from studio.automl.search import search
from studio.backends.mlflow.loading import load_deployed, load_version
from studio.backends.mlflow.model_files import save_model, schema_of
from studio.errors import InvalidInputs
from studio.exports.onnx.compiled import CompiledModel
from studio.exports.pickles import write_pickle, write_skops
from studio.predictions.service.file_forms import read_csv
from studio.predictions.service.input_schema import GivenRows, InputSchema
from studio.predictions.service.json_forms import records_at
from studio.tabular.ingestion import ingest
from studio.tabular.stored_forms import read_forms
from tests.automl.conftest import Recorder

PLAIN = [
    {"price": 1234.5, "share": 12.5, "at": "2026-02-01", "n": 3, "kind": "a"},
    {"price": 40.0, "share": 80.0, "at": "2026-01-31", "n": 9, "kind": "b"},
]
AS_WRITTEN = [
    {"price": "$1,234.50", "share": "12,5 %", "at": "1/2/2026", "n": 3, "kind": "a"},
    {"price": "40", "share": "80%", "at": "31/1/2026", "n": 9, "kind": "b"},
]


def check(rows, columns):
    return InputSchema(columns).check(GivenRows(rows, records_at("/inputs")))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model of a CSV file, as its folder, its estimator and its training table."""
    folder = tmp_path_factory.mktemp("written")
    rng = np.random.default_rng(0)
    n = 120
    price, share, day = rng.uniform(1, 5000, n), rng.uniform(0, 100, n), rng.integers(1, 29, n)
    source = folder / "table.csv"
    header = "price;share;at;n;kind;y\n"
    rows = [
        f"${p:,.2f};{f'{s:.1f}'.replace('.', ',')} %;{d}/{1 + d % 2}/2026;{i % 7};{'ab'[i % 2]};{p / 100 + s + d:.0f}"
        for i, (p, s, d) in enumerate(zip(price, share, day, strict=True))
    ]
    source.write_text(header + "\n".join(rows))
    table = ingest(source, folder / "table.parquet", original=folder / "original", max_bytes=1 << 20)
    frame = pd.read_parquet(folder / "table.parquet")
    plan = Plan(
        task="regression", target="y", column_types={c.name: str(c.type) for c in table.columns}, max_trials=1,
        algorithm="linear_regression", budget_s=None, written=read_forms(folder / "table.parquet"),
    )  # fmt: skip
    result = search(frame, plan, observer=Recorder(), work_folder=folder)
    save_model(
        folder / "model", result.estimator, input_example=frame[list(result.feature_columns)].head(),
        written=result.estimator.named_steps["columns"].written,
    )  # fmt: skip
    return folder, result.estimator, frame


def outcomes(model, rows):
    return np.asarray(model.predict(pd.DataFrame(rows)), dtype=float).tolist()


def test_the_table_was_typed(trained):
    _, _, frame = trained
    assert {kind.kind for kind in frame[["price", "share"]].dtypes} == {"f"}
    assert frame["at"].dt.month.isin([1, 2]).all()


def test_estimators_and_files_of_them_take_both(trained, tmp_path):
    _, estimator, _ = trained
    expected = outcomes(estimator, PLAIN)
    assert expected[0] != expected[1]
    assert outcomes(estimator, AS_WRITTEN) == expected
    write_pickle(estimator, tmp_path / "model.pkl")
    assert outcomes(pickle.loads((tmp_path / "model.pkl").read_bytes()), AS_WRITTEN) == expected
    write_skops(estimator, tmp_path / "model.skops")
    trusted = skops.io.get_untrusted_types(file=tmp_path / "model.skops")
    assert outcomes(skops.io.load(tmp_path / "model.skops", trusted=trusted), AS_WRITTEN) == expected


def test_mlflow_takes_both(trained):
    folder, estimator, frame = trained
    model, expected = mlflow.pyfunc.load_model(str(folder / "model")), outcomes(estimator, PLAIN)
    features = frame.drop(columns="y")
    np.testing.assert_allclose(model.predict(features), estimator.predict(features))
    for rows in (PLAIN, AS_WRITTEN):
        body = json.dumps({"dataframe_records": rows})
        answer = invocations(body, "application/json", model, model.metadata.get_input_schema())
        assert answer.status == 200, answer.response
        assert json.loads(answer.response)["predictions"] == pytest.approx(expected)


def test_hosts_take_both(trained):
    folder, estimator, _ = trained
    hosted = load_version(str(folder / "model"))
    for rows in (PLAIN, AS_WRITTEN, [PLAIN[0], AS_WRITTEN[1]]):
        assert hosted.predict(hosted.input_frame(rows)).tolist() == pytest.approx(outcomes(estimator, PLAIN))


def test_compiled_models_take_both(trained):
    folder, estimator, _ = trained
    compiled = load_deployed(str(folder / "model"))
    assert isinstance(compiled, CompiledModel)
    for rows in (PLAIN, AS_WRITTEN, [PLAIN[0], AS_WRITTEN[1]]):
        assert compiled.predict_rows(rows)[0] == pytest.approx(outcomes(estimator, PLAIN))


def test_callers_are_told_what_they_may_send(trained):
    folder, _, _ = trained
    columns = schema_of((folder / "model" / "MLmodel").read_bytes()).inputs
    types = {column.name: column.type for column in columns}
    assert types == {"price": "double", "share": "double", "at": "datetime", "n": "long", "kind": "string"}
    for row in (*PLAIN, *AS_WRITTEN, dict.fromkeys(types)):
        check([row], columns)
    with pytest.raises(InvalidInputs) as refused:
        check([{**PLAIN[0], "price": "1.234,5", "at": "31/31/2026", "n": "3"}], columns)
    faults = dict(refused.value.fields)
    assert faults == {
        "/inputs/0/price": "must be a number, or text such as $1,234.5",
        "/inputs/0/at": "must be a time, or text such as 31/1/2026",
        "/inputs/0/n": "must be a whole number",
    }


def test_a_csv_file_may_hold_them_as_they_were_written(trained):
    schema = InputSchema(schema_of((trained[0] / "model" / "MLmodel").read_bytes()).inputs)
    lines = ["price,share,at,n,kind", *(",".join(f'"{value}"' for value in row.values()) for row in AS_WRITTEN)]
    assert schema.check(read_csv("\n".join(lines).encode(), schema.columns)) == AS_WRITTEN
