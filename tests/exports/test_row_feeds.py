"""Rows read cell by cell are what the model's own reader makes of them, whatever a caller sends."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.automl.columns import ColumnReader
from studio.backends.mlflow.hosted_model import HostedModel
from studio.backends.mlflow.model_files import ModelColumn
from studio.exports.onnx.graph import CannotConvert
from studio.exports.onnx.inputs import feeds_of
from studio.exports.onnx.row_feeds import RowFeeds
from studio.tabular.written import WrittenDate, WrittenNumber

KINDS = {
    "whole": ("number", "long"), "part": ("number", "double"), "plan": ("category", "string"),
    "code": ("category", "long"), "level": ("category", "double"), "open": ("boolean", "boolean"),
    "paid": ("boolean", "string"), "sent": ("datetime", "datetime"), "seen": ("datetime", "string"),
}  # fmt: skip
WHOLE = st.integers(-(2**53), 2**53)
STAMPS = st.datetimes().map(str) | st.datetimes().map(lambda at: f"{at.isoformat()}Z") | st.dates().map(str)
CELLS = {
    "long": WHOLE | WHOLE.map(float),
    "double": st.floats(allow_nan=False, allow_infinity=False) | WHOLE,
    "string": st.text(max_size=5) | st.sampled_from([" a ", "yes", "No", "1", "2024-02-30", "nan"]) | STAMPS,
    "boolean": st.booleans(),
    "datetime": STAMPS | st.sampled_from(["2024-02-29T23:59:59+05:30", "2024-02-29 23:59", "1900-01-01T00:00:00.5Z"]),
}


def rows_of(kinds):
    cells = {name: st.none() | CELLS[stored] for name, (_, stored) in kinds.items()}
    return st.lists(st.fixed_dictionaries(cells), min_size=1, max_size=3)


@given(rows=rows_of(KINDS))
@settings(max_examples=400, deadline=None)
def test_one_row_is_read_as_the_reader_reads_it(rows):
    types = {name: kind for name, (kind, _) in KINDS.items()}
    columns = [ModelColumn(name, stored) for name, (_, stored) in KINDS.items()]
    reader = ColumnReader(types)
    read = RowFeeds(types, {column.name: column.type for column in columns})
    for row in rows:  # one by one, as the frame of several rows may take their type from another row
        wanted = feeds_of(reader, HostedModel(None, columns).input_frame([row]))
        found = read.read([row])
        for name, array in wanted.items():
            if types[name] == "datetime":  # pandas rounds microseconds once more
                np.testing.assert_allclose(found[name], array, rtol=1e-15, err_msg=name)
            else:
                np.testing.assert_array_equal(found[name], array, err_msg=name)


@given(rows=rows_of(KINDS))
@settings(max_examples=100, deadline=None)
def test_rows_together_are_read_as_one_by_one(rows):
    read = RowFeeds({name: kind for name, (kind, _) in KINDS.items()}, {n: stored for n, (_, stored) in KINDS.items()})
    together = read.read(rows)
    for place, row in enumerate(rows):
        for name, array in read.read([row]).items():
            np.testing.assert_array_equal(together[name][place : place + 1], array, err_msg=name)


PRICES, DAYS = WrittenNumber(",", ".", "$"), WrittenDate("dmy", ".")


@pytest.mark.parametrize(
    ("kind", "stored", "written", "cells"),
    [
        ("number", "double", PRICES, ["$1,234.50", 1234.5, "1,234", "dear", "", None]),
        ("datetime", "datetime", DAYS, ["31.1.2026", "2026-01-31", "2026-01-31T10:00:00Z", "31.1.26", "soon", None]),
    ],
)
def test_text_in_the_way_of_the_column_is_read_so(kind, stored, written, cells):
    reader = ColumnReader({"it": kind}, {"it": written}).fit(pd.DataFrame({"it": [None]}))
    hosted = HostedModel(None, [ModelColumn("it", stored, written=written)])
    read = RowFeeds({"it": kind}, {"it": stored}, {"it": written})
    for cell in cells:
        found = read.read([{"it": cell}])["it"]
        [[number]] = found
        wanted = reader.transform(hosted.input_frame([{"it": cell}])).values[0, 0]
        np.testing.assert_allclose(number if kind == "number" else number / 86_400, wanted, err_msg=str(cell))


def test_a_value_that_is_left_out_is_missing():
    read = RowFeeds({"size": "number", "plan": "category"}, {"size": "double", "plan": "string"})
    feeds = read.read([{}])
    assert np.isnan(feeds["size"]).all()
    assert feeds["plan"].tolist() == [[""]]


def test_time_stamps_as_categories_are_not_read():
    with pytest.raises(CannotConvert):
        RowFeeds({"sent": "category"}, {"sent": "datetime"})
