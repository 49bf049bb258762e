"""Rows are explained in terms of the model's own output, whatever model it is."""

import time

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from threadpoolctl import threadpool_limits

from studio.automl.calibration import Calibration
from studio.automl.plan import Plan
from studio.automl.search import search
from studio.backends.mlflow.hosted_model import HostedModel
from studio.backends.mlflow.model_files import ModelColumn, signature_of
from studio.backends.serving.row_explainer import RowExplainer
from studio.errors import NotApplicable, Overloaded, UnknownClass
from tests.automl.conftest import Recorder

TYPES = {"x": "number", "word": "category", "day": "datetime"}


@pytest.fixture(autouse=True)
def one_core():
    """More would leave a pool of threads behind that forked processes could not use."""
    with threadpool_limits(1):
        yield


def table(n_classes, n=160):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=n), "word": rng.choice(["a", "b", "c"], n)})
    frame["day"] = pd.date_range("2025-01-01", periods=n, freq="D")
    score = 2 * frame["x"] + (frame["word"] == "a") * 2 + rng.normal(size=n) * 0.3
    frame["y"] = score + 9 if not n_classes else np.digitize(score, [0.5, 2.5][: n_classes - 1]).astype(str)
    frame.loc[::9, "word"] = None
    return frame


def trained(frame, tmp_path, *, task="classification", types=TYPES, **facts):
    tmp_path.mkdir(exist_ok=True)
    plan = {"task": task, "target": "y", "column_types": types, "budget_s": None, "max_trials": 1, **facts}
    return search(frame, Plan(**plan), observer=Recorder(), work_folder=tmp_path).estimator


def hosted(estimator, frame, columns):
    """A model as a host has it, and JSON rows of the frame."""
    signature = signature_of(frame[columns].dropna().head(), estimator.predict(frame[columns].head()))
    loaded = HostedModel(estimator, [ModelColumn(one.name, one.type.name) for one in signature.inputs])
    rows = frame[columns].astype(object).where(frame[columns].notna(), None).to_dict("records")
    return loaded, [{name: _json(value) for name, value in row.items()} for row in rows]


def _json(value):
    return value.isoformat() if isinstance(value, pd.Timestamp) else value


def explain(loaded, background, rows, label=None):
    return RowExplainer(loaded, background).explain(rows, label, time.monotonic() + 60)


def total(row):
    return row["base_value"] + sum(row["values"].values())


@pytest.mark.parametrize("algorithm", ["lightgbm", "extra_trees", "hist_gradient_boosting", "logistic_regression"])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("temperature", [1.0, 1.7])
def test_the_probability_or_log_odds_of_a_class_are_what_they_add_up_to(tmp_path, algorithm, n_classes, temperature):
    frame = table(n_classes)
    pipeline = trained(frame, tmp_path, algorithm=algorithm)
    pipeline[-1].calibration = Calibration(temperature)
    loaded, rows = hosted(pipeline, frame, list(TYPES))
    asked = loaded.input_frame(rows[:4])
    proba = loaded.predict_proba(asked)

    found = explain(loaded, rows[40:90], rows[:4])

    for row, shares, predicted in zip(found["rows"], proba, loaded.predict(asked), strict=True):
        assert row["prediction"] == row["class_label"] == predicted
        own = int(predicted)
        if found["output"] == "probability":
            assert total(row) == pytest.approx(shares[own], abs=1e-4)
        elif n_classes == 2:
            assert total(row) == pytest.approx(np.log(shares[own] / shares[1 - own]), abs=1e-3)
    every = [explain(loaded, rows[40:90], rows[:1], str(label))["rows"][0] for label in range(n_classes)]
    if found["output"] == "log_odds" and n_classes == 3:
        raw = np.exp([total(row) for row in every])
        np.testing.assert_allclose(raw / raw.sum(), proba[0], atol=1e-4)
    if n_classes == 2:
        assert every[0]["values"] == {name: -value for name, value in every[1]["values"].items()}


@pytest.mark.parametrize("algorithm", ["lightgbm", "linear_regression", "hist_gradient_boosting"])
@pytest.mark.parametrize("long_tail", [False, True])
def test_numbers_add_up_to_the_prediction(tmp_path, algorithm, long_tail):
    frame = table(0)
    if long_tail:
        frame["y"] = np.exp(frame["y"])
    loaded, rows = hosted(trained(frame, tmp_path, task="regression", algorithm=algorithm), frame, list(TYPES))
    found = explain(loaded, rows[40:90], rows[:3])
    assert found["output"] == "prediction"
    assert len(found["rows"]) == 3
    for row in found["rows"]:
        assert row["class_label"] is None
        assert total(row) == pytest.approx(row["prediction"], rel=1e-4)


def test_an_ensemble_adds_up_to_its_probability(tmp_path):
    frame = table(2)
    pipeline = trained(frame, tmp_path, algorithm="lightgbm")
    other = trained(frame, tmp_path / "other", algorithm="logistic_regression")
    pipeline[-1].members += other[-1].members
    pipeline[-1].weights = [0.6 / (len(pipeline[-1].members) - 1)] * (len(pipeline[-1].members) - 1) + [0.4]
    loaded, rows = hosted(pipeline, frame, list(TYPES))
    found = explain(loaded, rows[40:60], rows[:2], "1")
    assert (found["explainer"], found["output"]) == ("permutation", "probability")
    shares = loaded.predict_proba(loaded.input_frame(rows[:2]))[:, 1]
    assert [total(row) for row in found["rows"]] == pytest.approx(shares.tolist())


def test_a_forecast_is_explained_in_its_own_unit(tmp_path):
    days = pd.date_range("2024-01-01", periods=120, freq="D")
    frame = pd.DataFrame({"day": days, "y": 50 + np.arange(120) % 7 * 3 + np.random.default_rng(0).normal(size=120)})
    types = {"day": "datetime", "y": "number"}
    pipeline = trained(
        frame, tmp_path, task="time_series", types=types, time_column="day", horizon=7, algorithm="linear_regression"
    )
    loaded, rows = hosted(pipeline, frame, ["day", "y"])
    found = explain(loaded, rows[-40:], [{"day": "2024-05-02", "y": None}, {"day": "2024-05-05", "y": None}])
    assert len(found["rows"]) == 2
    for row in found["rows"]:
        assert total(row) == pytest.approx(row["prediction"])


def test_membership_of_the_own_cluster_is_explained(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": np.arange(90) % 3 * 10 + rng.normal(size=90), "z": rng.normal(size=90)})
    types = {"x": "number", "z": "number"}
    pipeline = trained(frame, tmp_path, task="clustering", types=types, target="", max_trials=3)
    loaded, rows = hosted(pipeline, frame, ["x", "z"])
    found = explain(loaded, rows[:60], rows[60:64])
    assert len(found["rows"]) == 4
    for row in found["rows"]:
        assert row["class_label"] == str(row["prediction"])
        assert total(row) == pytest.approx(1)
        assert max(row["values"], key=row["values"].get) == "x"


def sklearn_pipeline(last, target):
    columns = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["word"]), ("passthrough", ["x"]))
    frame = table(0).fillna({"word": "none"})[["x", "word"]]
    return make_pipeline(columns, last).fit(frame, target), frame


@pytest.mark.parametrize("n_classes", [0, 2, 3])
def test_other_peoples_models_are_explained_from_their_predictions(n_classes):
    last = LogisticRegression() if n_classes else GradientBoostingRegressor(n_estimators=10)
    estimator, frame = sklearn_pipeline(last, table(n_classes)["y"])
    loaded, rows = hosted(estimator, frame, ["x", "word"])
    found = explain(loaded, rows[20:60], rows[:3])
    assert found["explainer"] == "permutation"
    asked = loaded.input_frame(rows[:3])
    for place, row in enumerate(found["rows"]):
        said = loaded.predict_proba(asked)[place, int(row["class_label"])] if n_classes else row["prediction"]
        assert total(row) == pytest.approx(said)
    alone = explain(loaded, rows[20:60], rows[2:3])
    assert alone["rows"][0] == found["rows"][2]


class Words:
    def predict(self, frame):
        return np.array(["late"] * len(frame), dtype=object)


def test_what_cannot_be_explained_is_said():
    columns = [ModelColumn("x", "double")]
    with pytest.raises(NotApplicable, match="neither one number"):
        explain(HostedModel(Words(), columns), [{"x": 1.0}], [{"x": 2.0}])
    with pytest.raises(NotApplicable, match="no signature"):
        RowExplainer(HostedModel(Words(), None), [{"x": 1.0}])
    with pytest.raises(NotApplicable, match="input example"):
        RowExplainer(HostedModel(Words(), columns), [])


def test_an_unknown_class_is_named_with_those_there_are():
    estimator, frame = sklearn_pipeline(LogisticRegression(), table(2)["y"])
    loaded, rows = hosted(estimator, frame, ["x", "word"])
    with pytest.raises(UnknownClass, match="it has 0, 1"):
        explain(loaded, rows[:9], rows[:1], "2")
    with pytest.raises(UnknownClass, match="it has none"):
        explain(HostedModel(Words(), [ModelColumn("x", "double")]), [{"x": 1.0}], [{"x": 2.0}], "late")


def test_a_host_does_not_work_on_for_a_caller_who_is_gone():
    estimator, frame = sklearn_pipeline(LogisticRegression(), table(2)["y"])
    loaded, rows = hosted(estimator, frame, ["x", "word"])
    with pytest.raises(Overloaded, match="0 of 2 rows"):
        RowExplainer(loaded, rows[:9]).explain(rows[:2], None, time.monotonic() - 1)
