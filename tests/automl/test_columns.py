"""Columns are read by name and type, whatever they are stored as."""

import numpy as np
import pandas as pd
import pytest

from studio.automl.columns import LARGEST, UNKNOWN, ColumnReader, read_dates, read_numbers, read_text, read_truth


def series(*values):
    return pd.Series(values, dtype=object)


def test_numbers_come_from_text_and_what_is_none_is_missing():
    found = read_numbers(series("1.5", " 2 ", None, "n/a", float("inf"), 3, True))
    np.testing.assert_array_equal(found, [1.5, 2, np.nan, np.nan, np.nan, 3, 1])


def test_huge_numbers_are_cut():
    np.testing.assert_array_equal(read_numbers(pd.Series([1e300, -1e300])), [LARGEST, -LARGEST])


def test_truth_is_read_from_words():
    found = read_truth(series(True, "no", "Yes", 0, 1.0, None, "perhaps"))
    np.testing.assert_array_equal(found, [1, 0, 1, 0, 1, np.nan, np.nan])


def test_dates_become_parts_in_utc():
    parts = read_dates(series("2024-02-29T13:45:00+01:00", "2024-03-01", None, "soon", pd.Timestamp("1970-01-02")))
    rows = np.column_stack(parts)
    np.testing.assert_allclose(rows[0], [19782 + 12.75 / 24, 2024, 2, 29, 3, 12, 45])
    np.testing.assert_allclose(rows[1], [19783, 2024, 3, 1, 4, 0, 0])
    assert np.isnan(rows[2:4]).all()
    assert rows[4, 0] == 1.0


def test_dates_may_be_of_any_year():
    days, years, *_ = read_dates(series("0001-01-01", "9999-12-31", "2024-03-01"))
    assert (days.tolist(), years.tolist()) == ([-719162.0, 2932896.0, 19783.0], [1.0, 9999.0, 2024.0])


@pytest.mark.parametrize(
    ("value", "text"), [(1, "1"), (1.0, "1"), ("1", "1"), (1.5, "1.5"), (True, "true"), (" a ", "a")]
)
def test_a_category_is_the_same_however_it_is_stored(value, text):
    assert read_text(value) == text


@pytest.mark.parametrize("value", [None, float("nan"), pd.NA, pd.NaT, "", "  "])
def test_gaps_are_gaps(value):
    assert read_text(value) is None


def test_codes_follow_numbers_then_letters_and_unknown_values_have_their_own():
    reader = ColumnReader({"c": "category"}).fit(pd.DataFrame({"c": series("10", "9", "b", "a", None, 9)}))
    assert reader.categories_["c"] == ["9", "10", "a", "b"]
    cells = reader.transform(pd.DataFrame({"c": series(9.0, "b", "new", None)}))
    np.testing.assert_array_equal(cells.values[:, 0], [0, 3, UNKNOWN, np.nan])


def test_the_order_of_columns_and_others_beside_them_do_not_matter(messy):
    types = {"number": "number", "word": "category", "day": "datetime", "text": "text"}
    reader = ColumnReader(types).fit(messy)
    cells, turned = reader.transform(messy), reader.transform(messy[messy.columns[::-1]])
    np.testing.assert_array_equal(cells.values, turned.values)
    assert cells.sources.tolist() == [0, 1, 2, 2, 2, 2, 2, 2, 2]
    assert cells.text_sources == (3,)


def test_rows_as_json_gives_them_read_like_the_table(messy):
    types = {"number": "number", "mixed": "category", "flag": "boolean", "word": "category"}
    reader = ColumnReader(types).fit(messy)
    rows = [{name: row[name] for name in types} for row in messy.head(50).to_dict("records")]
    again = reader.transform(pd.DataFrame(rows, columns=list(types)).astype(object))
    np.testing.assert_array_equal(again.values, reader.transform(messy.head(50)).values)


def test_a_short_frame_is_read_like_a_long_one(messy):
    reader = ColumnReader({"word": "category", "mixed": "category"}).fit(messy)
    whole = reader.transform(messy).values
    parts = [reader.transform(messy.iloc[[row]]).values[0] for row in range(20)]
    np.testing.assert_array_equal(whole[:20], parts)


def test_cells_that_cannot_be_hashed_are_text():
    frame = pd.DataFrame({"c": pd.Series([[1, 2], {"a": 1}] * 30, dtype=object)})
    cells = ColumnReader({"c": "category"}).fit(frame).transform(frame)
    assert set(cells.values[:, 0]) == {0.0, 1.0}
