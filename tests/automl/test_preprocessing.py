"""The matrix is learned from the training rows alone and fits the family."""

import numpy as np
import pandas as pd
import pytest

from studio.automl.columns import ColumnReader
from studio.automl.plan import Preprocessing
from studio.automl.preprocessing import Encoder, Encoding, choose_encoding
from tests.automl.conftest import MESSY_TYPES


def encode(frame, types, *, categories="ordinal", missing="native", scale=False, limit=50, train=None):
    """Matrix of all rows, learned from the first ``train``, and the encoder."""
    cells = ColumnReader(types).fit(frame).transform(frame)
    n_train = len(frame) if train is None else train
    encoder = Encoder(Encoding(categories, missing, scale, limit), 0)
    y = np.arange(n_train) % 2
    encoder.fit_transform(cells.take(np.arange(n_train)), y, is_classification=True)
    return encoder.transform(cells), encoder


@pytest.mark.parametrize("categories", ["native", "ordinal", "onehot", "target"])
@pytest.mark.parametrize("missing", ["median", "mean", "most_frequent", "constant"])
def test_every_encoding_of_a_messy_table_is_finite(messy, categories, missing):
    types = {name: kind for name, kind in MESSY_TYPES.items() if name != "y"}
    matrix, encoder = encode(messy, types, categories=categories, missing=missing, scale=True, train=150)
    assert np.isfinite(matrix).all()
    assert np.abs(matrix).max() < 1e6
    assert len(encoder.sources_) == matrix.shape[1]
    used = {list(types)[source] for source in encoder.sources_}
    assert "empty" not in used
    assert "constant" not in used
    assert {"number", "word", "day", "text"} <= used


def test_native_keeps_gaps_and_marks_the_sets(messy):
    matrix, encoder = encode(messy, {"number": "number", "word": "category"}, categories="native")
    assert encoder.categorical_ == [1]
    np.testing.assert_array_equal(np.isnan(matrix[:, 1]), messy["word"].isna())
    assert np.isnan(matrix[:, 0]).sum() == 29


def test_gaps_get_the_median_of_the_training_rows_and_an_indicator():
    frame = pd.DataFrame({"a": [1.0, 2.0, np.nan, 9.0, 100.0, np.nan]})
    matrix, _ = encode(frame, {"a": "number"}, missing="median", train=4)
    np.testing.assert_array_equal(matrix[:, 0], [1, 2, 2, 9, 100, 2])
    np.testing.assert_array_equal(matrix[:, 1], [0, 0, 1, 0, 0, 1])


@pytest.mark.parametrize(("missing", "filled"), [("mean", 2.5), ("most_frequent", 1.0), ("constant", 0.0)])
def test_gaps_are_filled_as_asked(missing, filled):
    frame = pd.DataFrame({"a": [1.0, 1.0, 3.0, 5.0, np.nan]})
    matrix, _ = encode(frame, {"a": "number"}, missing=missing)
    assert matrix[4, 0] == filled


def test_rare_and_unknown_values_are_pooled():
    frame = pd.DataFrame({"c": ["a"] * 5 + ["b"] * 4 + ["c", "d", "only later"]})
    matrix, _ = encode(frame, {"c": "category"}, limit=3, train=11)
    assert matrix[:, 0].tolist() == [0.0] * 5 + [1.0] * 4 + [2.0] * 3


def test_one_hot_knows_the_rare_and_the_missing():
    frame = pd.DataFrame({"c": ["a", "a", "b", "b", "c", "d", None, "new"]})
    matrix, _ = encode(frame, {"c": "category"}, categories="onehot", limit=3, missing="median", train=7)
    assert matrix.argmax(axis=1).tolist() == [0, 0, 1, 1, 2, 2, 3, 2]
    assert (matrix.sum(axis=1) == 1).all()


def test_the_most_frequent_value_fills_categories_too():
    frame = pd.DataFrame({"c": ["a", "b", "b", None]})
    matrix, _ = encode(frame, {"c": "category"}, missing="most_frequent")
    assert matrix[3, 0] == matrix[1, 0]


def test_scaled_columns_are_standard_or_by_rank():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"plain": rng.normal(50, 9, 500), "skewed": np.exp(rng.normal(0, 4, 500))})
    matrix, _ = encode(frame, {"plain": "number", "skewed": "number"}, missing="median", scale=True)
    np.testing.assert_allclose(matrix[:, 0].std(), 1.0)
    np.testing.assert_allclose(np.median(matrix[:, 1]), 0.0, atol=0.1)
    assert np.abs(matrix).max() < 6


def test_columns_of_mostly_zeros_are_scaled_like_others():
    rng = np.random.default_rng(0)
    is_zero = rng.random(1000) < 0.6
    sums = np.where(is_zero, 0, np.exp(rng.normal(0, 4, 1000)))
    counts = np.where(is_zero, 0, rng.integers(1, 17, 1000))
    frame = pd.DataFrame({"sums": sums, "counts": counts})
    matrix, _ = encode(frame, {"sums": "number", "counts": "number"}, missing="median", scale=True)
    np.testing.assert_allclose(matrix.std(axis=0), 1.0)
    assert np.abs(matrix).max() < 4
    np.testing.assert_allclose(matrix[:, 1], (counts - counts.mean()) / counts.std())


def test_other_rows_do_not_change_what_is_learned(messy):
    types = {"number": "number", "word": "category", "text": "text"}
    changed = messy.copy()
    changed.loc[150:, "number"] = "1000000"
    changed.loc[150:, "text"] = "something else"
    for categories in ("onehot", "target"):
        options = {"categories": categories, "missing": "median", "scale": True, "train": 150}
        first, _ = encode(messy, types, **options)
        second, _ = encode(changed, types, **options)
        np.testing.assert_allclose(first[:150], second[:150])


def test_a_table_where_nothing_varies_still_has_a_column():
    frame = pd.DataFrame({"a": [1.0] * 5})
    matrix, encoder = encode(frame, {"a": "number"})
    assert matrix.shape == (5, 1)
    assert encoder.sources_.tolist() == [0]


def test_wide_one_hot_tables_are_bounded():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"c{i}": rng.integers(100, size=300).astype(str) for i in range(100)})
    matrix, _ = encode(frame, dict.fromkeys(frame, "category"), categories="onehot", limit=100)
    assert matrix.shape[1] <= 2_300


def test_a_family_gets_what_it_likes_unless_the_plan_says_otherwise():
    auto = choose_encoding(Preprocessing(), categories="native", accepts_missing=True, scale=False)
    assert auto == Encoding("native", "native", False, 50)
    linear = choose_encoding(Preprocessing(), categories="onehot", accepts_missing=False, scale=True)
    assert linear == Encoding("onehot", "median", True, 50)
    asked = Preprocessing("mean", scale_features=False, encode_categories="target", max_categories=9)
    assert choose_encoding(asked, categories="onehot", accepts_missing=True, scale=True) == Encoding(
        "target", "mean", False, 9
    )
