"""Gaps that tell, values never seen, and texts that are all different."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from studio.automl.columns import ColumnReader
from studio.automl.plan import Plan, Preprocessing
from studio.automl.preprocessing import MAX_INDICATORS, TEXT_COMPONENTS, Encoder, choose_encoding
from studio.automl.search import search

N = 300
PLAN = Plan(task="classification", target="y", column_types={}, budget_s=None, max_trials=1)
VALUES = {
    "number": np.arange(N) % 7 + 0.5,
    "category": np.array(list("abc"))[np.arange(N) % 3],
    "boolean": np.arange(N) % 2 == 0,
    "datetime": pd.date_range("2026-01-01", periods=N, freq="h").to_numpy(),
    "text": np.array([f"it came late on day {i % 40}" for i in range(N)], dtype=object),
}


@pytest.mark.parametrize("family", ["logistic_regression", "lightgbm"])
@pytest.mark.parametrize("kind", list(VALUES))
def test_gaps_are_learned_from_in_every_kind_of_column(recorder, tmp_path, kind, family):
    is_gap = np.random.default_rng(0).random(N) < 0.3
    column = pd.Series(VALUES[kind]).astype(object if kind == "boolean" else VALUES[kind].dtype).mask(is_gap)
    frame = pd.DataFrame({"x": column, "y": np.where(is_gap, "gone", "stays")})
    plan = dataclasses.replace(PLAN, column_types={"x": kind, "y": "category"}, algorithm=family)
    result = search(frame, plan, observer=recorder, work_folder=tmp_path)
    assert result.metrics["test"]["roc_auc"] > 0.99


@pytest.mark.parametrize(
    ("family", "handle_missing"),
    [
        *(("logistic_regression", how) for how in ("auto", "mean", "most_frequent", "constant")),
        ("lightgbm", "auto"),
        ("extra_trees", "constant"),
    ],
)
def test_values_never_seen_and_columns_without_any_get_an_answer(recorder, tmp_path, family, handle_missing):
    frame = pd.DataFrame(VALUES | {"y": np.array(["no", "yes"])[np.arange(N) % 2]})
    types = {kind: kind for kind in VALUES} | {"y": "category"}
    plan = dataclasses.replace(
        PLAN, column_types=types, algorithm=family, preprocessing=Preprocessing(handle_missing=handle_missing)
    )
    result = search(frame, plan, observer=recorder, work_folder=tmp_path)
    empty = pd.DataFrame({kind: [None, None] for kind in VALUES})
    unseen = pd.DataFrame(
        {"number": [1e300, "word"], "category": ["z", 5], "boolean": ["?", 3], "datetime": ["9999-12-31", "no time"],
         "text": ["words nobody wrote", 12]}
    )  # fmt: skip
    with threadpool_limits(1):
        for rows in (empty, unseen, empty.astype(float)):
            shares = result.estimator.predict_proba(rows)
            assert np.isfinite(shares).all()
            np.testing.assert_allclose(shares.sum(axis=1), 1.0)


@pytest.mark.slow
def test_a_hundred_thousand_different_texts_and_categories_make_a_narrow_matrix():
    n = 100_000
    words = np.random.default_rng(0).integers(0, 30_000, (n, 5))
    texts = [f"parcel {i} " + " ".join(f"w{word}" for word in row) for i, row in enumerate(words.tolist())]
    frame = pd.DataFrame({"t": texts, "c": [f"k{i}" for i in range(n)]})
    cells = ColumnReader({"t": "text", "c": "category"}).fit(frame).transform(frame)
    y = np.arange(n) % 2
    for categories in ("onehot", "target", "ordinal"):
        encoding = choose_encoding(Preprocessing(), categories=categories, accepts_missing=False, scale=True)
        matrix = Encoder(encoding, 0).fit_transform(cells, y, is_classification=True)
        assert matrix.shape[0] == n
        assert TEXT_COMPONENTS < matrix.shape[1] <= min(MAX_INDICATORS, 50 + TEXT_COMPONENTS + 2)
        assert np.isfinite(matrix).all()
