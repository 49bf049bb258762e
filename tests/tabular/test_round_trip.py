"""Any frame, written as CSV and read again, has equal values."""

import math
import tempfile
from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.tabular.ingestion import ingest

WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\r\n\0"), max_size=12).map(
    lambda text: f"x{text}x"
)
LINES = st.lists(WORDS, min_size=1, max_size=3).map("\n".join)
CELLS = {
    "n": st.integers(1 - 2**53, 2**53 - 1) | st.none(),
    "f": st.floats(allow_nan=False, allow_infinity=False) | st.none(),
    "b": st.booleans() | st.none(),
    "c": LINES | st.none(),
    "d": st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)).map(lambda t: t.replace(microsecond=0)),
}
ROWS = st.lists(st.fixed_dictionaries(CELLS), min_size=1, max_size=30)


@settings(max_examples=150, deadline=None)
@given(rows=ROWS, sep=st.sampled_from(",;\t|"), line_end=st.sampled_from(["\n", "\r\n"]))
def test_values_survive(rows, sep, line_end):
    frame = pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=object) for name in CELLS})
    with tempfile.TemporaryDirectory() as folder:
        upload, typed = Path(folder, "u"), Path(folder, "t")
        frame.to_csv(upload, index=False, sep=sep, lineterminator=line_end)
        table = ingest(upload, typed, original=Path(folder, "o"), max_bytes=1 << 20)
        read = pq.read_table(typed).to_pylist()
    assert table.rows == len(rows)
    for got, sent in zip(read, rows, strict=True):
        assert (got["n"], got["b"], got["c"]) == (sent["n"], sent["b"], sent["c"])
        assert got["d"].replace(tzinfo=None) == sent["d"]
        assert got["f"] == sent["f"] or math.isclose(got["f"], sent["f"], rel_tol=1e-15)
