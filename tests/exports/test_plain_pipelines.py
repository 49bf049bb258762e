"""Pipelines that others made are compiled too, or told to be none that can be."""

import numpy as np
import orjson
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler

from studio.backends.mlflow.compilation import compile_model
from studio.backends.mlflow.hosted_model import HostedModel
from studio.backends.mlflow.model_files import ModelColumn
from studio.backends.serving.called_model import CalledModel
from studio.backends.serving.wire import to_json
from studio.exports.onnx.graph import CannotConvert
from studio.exports.onnx.plain_pipelines import convert_plain
from tests.exports.pipelines import orders

STORED = {"size": "double", "code": "double", "skewed": "double", "carrier": "string", "place": "string"}
COLUMNS = [ModelColumn(name, stored) for name, stored in STORED.items()]
SPREAD = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
NUMBERS, WORDS = ["size", "skewed", "code"], ["carrier", "place"]


@pytest.fixture(scope="module")
def frame():
    made = orders()
    made["place"] = np.random.default_rng(1).choice(["", " x", "ü", "no"], len(made))
    made.loc[::7, "place"] = None
    return made


def fitted(frame, target, estimator, *steps, **more):
    pipeline = Pipeline([("prepared", ColumnTransformer(list(steps), **more)), ("model", estimator)])
    return pipeline.fit(frame[list(STORED)], frame[target])


@pytest.mark.parametrize(
    ("target", "estimator", "steps"),
    [
        (
            "late",
            HistGradientBoostingClassifier(max_iter=20, random_state=0),
            [
                ("n", SimpleImputer(), NUMBERS),
                ("w", SPREAD, WORDS),
            ],
        ),
        (
            "class",
            LogisticRegression(max_iter=500),
            [
                ("n", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), NUMBERS),
                ("w", make_pipeline(SimpleImputer(strategy="most_frequent"), SPREAD), WORDS),
            ],
        ),
        (
            "hours",
            RandomForestRegressor(n_estimators=10, random_state=0),
            [
                ("n", make_pipeline(SimpleImputer(strategy="constant", fill_value=-1), MinMaxScaler()), [0, 2]),
                (
                    "w",
                    OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2),
                    WORDS,
                ),
                ("left out", "drop", ["code"]),
            ],
        ),
    ],
    ids=["boosting", "logistic", "forest"],
)  # fmt: skip
def test_they_answer_as_they_are(frame, target, estimator, steps):
    pipeline = fitted(frame, target, estimator, *steps)
    compiled = compile_model(pipeline, COLUMNS, frame[list(STORED)])
    assert compiled is not None
    rows = orjson.loads(to_json(frame[list(STORED)].to_dict("records")))
    found, wanted = CalledModel(compiled).predict(rows), CalledModel(HostedModel(pipeline, COLUMNS)).predict(rows)
    if wanted[1] is None:
        np.testing.assert_allclose(found[0], wanted[0])
    else:
        assert found[0] == wanted[0]
        np.testing.assert_allclose(pd.DataFrame(found[1]), pd.DataFrame(wanted[1]), atol=1e-9)


@pytest.mark.parametrize(
    ("steps", "more", "reason"),
    [
        ([("w", OneHotEncoder(), WORDS)], {}, "unknown"),
        ([("w", OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=5), WORDS)], {}, "gathers"),
        ([("n", SimpleImputer(add_indicator=True), NUMBERS)], {}, "SimpleImputer"),
        ([("n", SimpleImputer(), ["size"])], {"transformer_weights": {"n": 2.0}}, "weights"),
        ([("b", SimpleImputer(strategy="most_frequent"), [*NUMBERS, *WORDS])], {}, "both"),
    ],
)
def test_what_is_not_known_is_told(frame, steps, more, reason):
    pipeline = Pipeline([("prepared", ColumnTransformer(steps, **more)), ("model", LogisticRegression())])
    pipeline.steps[0][1].fit(frame[list(STORED)])
    with pytest.raises(CannotConvert, match=reason):
        convert_plain(pipeline, STORED)


def test_something_else_is_no_pipeline():
    with pytest.raises(CannotConvert, match="LogisticRegression"):
        convert_plain(LogisticRegression(), STORED)
