"""What a graph takes and gives, at the edges, and that nothing unknown is converted."""

import json
import os
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer

from studio.automl.columns import ColumnReader
from studio.automl.pipeline import BlendRegressor, Member
from studio.automl.preprocessing import Encoder
from studio.exports.onnx.conversion import convert
from studio.exports.onnx.dates import add_date_parts
from studio.exports.onnx.graph import DOUBLE, CannotConvert, Graph
from studio.exports.onnx.inputs import feeds_of
from studio.exports.onnx.parity import measure_parity
from studio.exports.onnx.ranks import add_ranks
from tests.exports.pipelines import TYPES, fit_member, fit_pipeline, orders, pipeline_of


def run_columns(add, values, tmp_path):
    """What a part of a graph makes of a matrix of numbers."""
    names = [f"x{column}" for column in range(values.shape[1])]
    graph = Graph(names)
    for name in names:
        graph.input(name, DOUBLE)
    for place, output in enumerate(add(graph, graph.op("Concat", *names, axis=1))):
        graph.output(f"y{place}", output, DOUBLE, values.shape[1])
    (tmp_path / "part.onnx").write_bytes(graph.model().SerializeToString())
    session = onnxruntime.InferenceSession(tmp_path / "part.onnx", providers=["CPUExecutionProvider"])
    return session.run(None, {name: values[:, [place]] for place, name in enumerate(names)})


def test_onnxruntime_neither_reports_nor_starts_a_thread(config):
    """Which it does otherwise, and a thread of its would not survive the fork of a run."""
    told = """
import os, sys
from pathlib import Path
from studio.config import Config
from studio.process import begin
begin("worker", Config(data_folder=Path(sys.argv[1]), runtime_folder=Path(sys.argv[1])))
import studio.exports.onnx.conversion  # and all that has threads of its own
assert "onnxruntime" not in sys.modules
before = set(os.listdir("/proc/self/task"))
import studio.exports.onnx.parity
print(os.environ["ORT_DISABLE_TELEMETRY"], len(set(os.listdir("/proc/self/task")) - before))
"""
    command = [sys.executable, "-c", told, str(config.data_folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]})
    assert done.stdout.split()[-2:] == ["1", "0"]


class TestShape:
    def test_a_classification_gives_labels_and_probabilities(self, frame, session):
        pipeline = fit_pipeline("lightgbm", frame, "late")
        opened = session(pipeline)
        assert [(i.name, i.type, i.shape) for i in opened.get_inputs()] == [
            (name, "tensor(string)" if kind == "category" else "tensor(double)", ["rows", 1])
            for name, kind in TYPES.items()
        ]
        assert [(o.name, o.type, o.shape) for o in opened.get_outputs()] == [
            ("prediction", "tensor(string)", ["rows"]),
            ("probabilities", "tensor(double)", ["rows", 2]),
        ]
        labels, probabilities = opened.run(None, feeds_of(pipeline["columns"], frame))
        np.testing.assert_array_equal(labels, pipeline.predict(frame))
        np.testing.assert_allclose(probabilities, pipeline.predict_proba(frame), atol=1e-12)
        facts = opened.get_modelmeta().custom_metadata_map
        assert json.loads(facts["classes"]) == ["late", "on_time"]
        assert json.loads(facts["inputs"]) == TYPES
        assert set(TYPES.values()) == set(json.loads(facts["kinds"]))

    @pytest.mark.parametrize(
        ("values", "kind"), [([0, 1, 2], "int64"), ([0.5, 1.5, 2.5], "double"), (["a", "b", "c"], "string")]
    )
    def test_labels_keep_their_type(self, values, kind, frame, session):
        typed = frame.assign(late=np.array(values, dtype=object)[frame["class"]])
        pipeline = fit_pipeline("lightgbm", typed.infer_objects(), "late")
        opened = session(pipeline)
        assert opened.get_outputs()[0].type == f"tensor({kind})"
        labels = opened.run(["prediction"], feeds_of(pipeline["columns"], frame))[0]
        assert labels.tolist() == pipeline.predict(frame).tolist()

    def test_truth_values_are_labels(self, frame, session):
        typed = frame.assign(late=frame["late"] == "late")
        pipeline = fit_pipeline("lightgbm", typed, "late")
        labels = session(pipeline).run(["prediction"], feeds_of(pipeline["columns"], frame))[0]
        assert labels.dtype == bool
        assert labels.tolist() == pipeline.predict(frame).tolist()

    @pytest.mark.parametrize("target", ["class", "hours"])
    @pytest.mark.parametrize("rows", [0, 1])
    def test_few_rows_are_rows(self, rows, target, frame, session):
        pipeline = fit_pipeline("extra_trees", frame, target)
        found = session(pipeline).run(None, feeds_of(pipeline["columns"], frame.head(rows)))
        assert [len(output) for output in found] == [rows] * (1 if target == "hours" else 2)

    @pytest.mark.parametrize("name", ["prediction", "_constant1", "__", "a b/c", "d'\"e", "Größe 📦", "probabilities"])
    def test_a_column_may_have_any_name(self, name, frame, session, compare):
        renamed, types = frame.rename(columns={"size": name}), {**TYPES, name: "number"}
        del types["size"]
        pipeline = fit_pipeline("logistic_regression", renamed, "late", types=types)
        assert compare(pipeline, renamed).is_kept
        names = [output.name for output in session(pipeline).get_outputs()]
        wanted = ["prediction", "probabilities"]
        assert names == [f"{output}_" if output == name else output for output in wanted]

    def test_a_model_is_valid(self, frame):
        onnx.checker.check_model(convert(fit_pipeline("xgboost", frame, "class")), full_check=True)

    def test_a_table_of_a_thousand_columns(self, compare):
        rng = np.random.default_rng(0)
        wide = pd.DataFrame(rng.normal(size=(60, 700)), columns=[f"n{i}" for i in range(700)])
        words = pd.DataFrame(rng.choice(list("abc"), (60, 300)), columns=[f"c{i}" for i in range(300)])
        wide = pd.concat([wide, words], axis=1)
        wide["hours"] = wide["n0"] + (wide["c0"] == "a")
        types = {name: "number" if name[0] == "n" else "category" for name in wide.columns.drop("hours")}
        pipeline = fit_pipeline("linear_regression", wide, "hours", types=types)
        assert compare(pipeline, wide).is_kept


class TestInputs:
    def test_what_the_reader_makes_missing_is_missing(self, frame, session):
        pipeline = fit_pipeline("hist_gradient_boosting", frame, "hours")
        opened = session(pipeline)
        odd = frame.head(6).astype(object)
        odd["size"] = [np.inf, -np.inf, 1e300, -1e300, None, 0.0]
        odd["code"] = ["7", 7, 7.0, " 7 ", "never seen", None]
        odd["fragile"] = [True, "yes", 1, None, "maybe", 0]
        feeds = feeds_of(pipeline["columns"], odd)
        assert feeds["code"].ravel().tolist() == ["7", "7", "7", "7", "never seen", ""]
        np.testing.assert_allclose(opened.run(None, feeds)[0], pipeline.predict(odd), atol=1e-12)

    def test_truth_that_is_neither_is_missing(self, frame, session):
        pipeline = fit_pipeline("lightgbm", frame, "hours")
        feeds = feeds_of(pipeline["columns"], frame.head(2))
        feeds["fragile"] = np.array([[0.5], [np.nan]])
        gap = frame.head(2).assign(fragile=pd.Series([None, None], dtype=object))
        np.testing.assert_allclose(session(pipeline).run(None, feeds)[0], pipeline.predict(gap), atol=1e-12)

    def test_the_parts_of_a_time(self, tmp_path):
        texts = [
            "0001-01-01T00:00:00Z",
            "1600-02-29T23:59:59Z", "1899-12-31T00:00:00Z", "1969-12-31T23:59:59.5Z", "1970-01-01T00:00:00Z",
            "1999-12-31T23:59:59Z", "2000-02-29T12:34:56.789Z", "2000-03-01T00:00:00Z", "2023-12-31T23:59:00Z",
            "2024-12-31T00:01:00Z", "2100-02-28T23:00:00Z", "2100-03-01T00:00:00Z", "9999-12-31T00:00:00Z",
        ]  # fmt: skip
        stamps = pd.Series(pd.to_datetime(texts, utc=True, format="ISO8601"))
        frame = pd.DataFrame({"t": pd.concat([stamps, pd.Series([pd.NaT])], ignore_index=True)})
        reader = ColumnReader({"t": "datetime"}).fit(frame)
        found = run_columns(add_date_parts, feeds_of(reader, frame)["t"], tmp_path)
        wanted = reader.transform(frame).values
        np.testing.assert_allclose(np.hstack(found), wanted, rtol=1e-15)

    def test_random_times(self, tmp_path):
        rng = np.random.default_rng(1)
        seconds = rng.integers(-9_000_000_000, 9_000_000_000, 5000)
        frame = pd.DataFrame({"t": pd.to_datetime(seconds, unit="s", utc=True)})
        reader = ColumnReader({"t": "datetime"}).fit(frame)
        found = run_columns(add_date_parts, feeds_of(reader, frame)["t"], tmp_path)
        np.testing.assert_allclose(np.hstack(found), reader.transform(frame).values, rtol=1e-15)


@pytest.mark.parametrize("n_rows", [1, 2, 7, 3000])
def test_ranks_are_those_of_scikit_learn(n_rows, tmp_path):
    rng = np.random.default_rng(2)
    training = np.column_stack([rng.exponential(9, n_rows), rng.integers(0, 3, n_rows), np.full(n_rows, 4.0)])
    scaler = QuantileTransformer(n_quantiles=min(1000, n_rows), output_distribution="normal", random_state=0)
    scaler.fit(training)
    edges = np.concatenate([training.ravel(), [0.0, 1.0, 1.5, 2.0, 4.0, 1e-8, -5.0, 1e30, np.nan]])
    asked = np.column_stack([edges] * 3)

    def add(graph, matrix):
        return [add_ranks(graph, matrix, scaler.quantiles_, scaler.references_)]

    [found] = run_columns(add, asked, tmp_path)
    np.testing.assert_allclose(found, scaler.transform(asked), atol=1e-9)


class Stretched(Encoder):
    """An encoder of somebody else's."""


class TestUnknown:
    """Whatever has a part that the converter does not know is not converted, and the part is named."""

    def refuse(self, pipeline, told):
        with pytest.raises(CannotConvert, match=told):
            convert(pipeline)

    def test_another_pipeline(self, frame):
        self.refuse(make_pipeline(LinearRegression()), "Pipeline")
        self.refuse(LinearRegression(), "LinearRegression")

    def test_another_estimator(self, frame):
        member = fit_member("lightgbm", ColumnReader(TYPES).fit(frame), frame, "hours")
        other = Member(member.encoder, DummyRegressor().fit([[0.0]], [1.0]), member.present, 0)
        self.refuse(pipeline_of(frame, "hours", other), "^DummyRegressor$")

    def test_another_encoder(self, frame):
        pipeline = fit_pipeline("lightgbm", frame, "hours")
        pipeline["model"].members[0].encoder.__class__ = Stretched
        self.refuse(pipeline, "^Stretched$")

    @pytest.mark.parametrize(
        ("part", "told"),
        [
            (lambda member: member.encoder, "Encoder with clips"),
            (lambda member: member.encoder._numbers, "Numbers with clips"),
            (lambda member: member.encoder._categories, "Categories with clips"),
            (lambda member: member.encoder._categories.lookups[0], "Lookup with clips"),
        ],
    )
    def test_a_new_step_of_the_encoder(self, part, told, frame):
        pipeline = fit_pipeline("lightgbm", frame, "hours")
        part(pipeline["model"].members[0]).clips = (0.0, 1.0)
        self.refuse(pipeline, told)

    def test_a_new_step_of_the_reader_or_the_blend(self, frame):
        for place, told in (("columns", "ColumnReader with ages"), ("model", "BlendRegressor with ages")):
            pipeline = fit_pipeline("lightgbm", frame, "hours")
            pipeline[place].ages = 1
            self.refuse(pipeline, told)

    def test_another_blend(self, frame):
        pipeline = fit_pipeline("lightgbm", frame, "hours")
        pipeline["model"].__class__ = type("Stack", (BlendRegressor,), {})
        self.refuse(pipeline, "^Stack$")

    def test_words(self, frame):
        frame["note"] = [f"left at door {place % 7}" for place in range(len(frame))]
        pipeline = fit_pipeline("lightgbm", frame, "hours", types={**TYPES, "note": "text"})
        self.refuse(pipeline, "the words of the text column 'note'")

    def test_texts_without_words_are_no_hindrance(self, frame, compare, session):
        frame["note"] = "!"
        pipeline = fit_pipeline("lightgbm", frame, "hours", types={**TYPES, "note": "text"})
        assert compare(pipeline, frame).is_kept
        assert "note" not in [given.name for given in session(pipeline).get_inputs()]

    def test_a_kind_of_column_nobody_knows(self, frame):
        pipeline = fit_pipeline("lightgbm", frame, "hours")
        pipeline["columns"].column_types = {**TYPES, "size": "place"}
        self.refuse(pipeline, "a column of the type place")

    def test_too_many_nodes(self, frame, monkeypatch):
        monkeypatch.setattr("studio.exports.onnx.trees.MAX_NODES", 50)
        self.refuse(fit_pipeline("extra_trees", frame, "hours"), "trees with more than 50 nodes")


class TestParity:
    def measure(self, pipeline, converted, frame, tmp_path, until=float("inf")):
        (tmp_path / "model.onnx").write_bytes(converted.SerializeToString())
        return measure_parity(pipeline, tmp_path / "model.onnx", frame, until=until)

    def test_a_graph_that_is_wrong_where_no_row_shows_it_is_seen(self, frame, tmp_path):
        """Missing values go the other way, and no validation row has any."""
        whole = frame.dropna()
        pipeline = fit_pipeline("lightgbm", whole, "hours")
        converted = convert(pipeline)
        [trees] = [node for node in converted.graph.node if node.op_type == "TreeEnsemble"]
        [ways] = [one for one in trees.attribute if one.name == "nodes_missing_value_tracks_true"]
        flipped = [1 - way for way in ways.ints]
        del ways.ints[:]
        ways.ints.extend(flipped)
        found = self.measure(pipeline, converted, whole, tmp_path)
        assert not found.is_kept
        assert found.max_difference > 100 * found.tolerance

    def test_classes_in_another_order_are_seen(self, frame, tmp_path):
        pipeline = fit_pipeline("lightgbm", frame, "late")
        honest = pipeline["model"].classes_
        pipeline["model"].classes_ = honest[::-1].copy()
        converted = convert(pipeline)
        pipeline["model"].classes_ = honest
        assert self.measure(pipeline, converted, frame, tmp_path).max_difference == np.inf

    def test_outputs_that_are_no_numbers_are_seen(self, frame, tmp_path):
        pipeline = fit_pipeline("linear_regression", frame, "hours")
        converted = convert(pipeline)
        pipeline["model"].members[0].estimator.regressor_.coef_[:] = np.nan
        assert self.measure(pipeline, convert(pipeline), frame, tmp_path).max_difference == 0
        pipeline["model"].members[0].estimator.regressor_.coef_[:] = 0.0
        pipeline["model"].members[0].estimator.regressor_.intercept_ = 0.0
        assert not self.measure(pipeline, converted, frame, tmp_path).is_kept

    def test_when_time_is_over_a_thousand_rows_are_enough(self, tmp_path):
        many = orders(2500)
        pipeline = fit_pipeline("logistic_regression", many, "late")
        converted = convert(pipeline)
        assert self.measure(pipeline, converted, many, tmp_path, until=0.0).rows == 1000
        assert self.measure(pipeline, converted, many, tmp_path).rows == 2500
