import datetime as dt
import io
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from studio.errors import DatasetEmpty, DatasetUnreadable, DuplicateColumns
from studio.tabular import parquet_reading, parquet_writing
from studio.tabular.preview import preview

PARIS = dt.timezone(dt.timedelta(hours=2))


def parquet(columns, **options):
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("values", "type_", "shown"),
    [
        (pa.array([1, None, 3]), "number", [1, None, 3]),
        (pa.array([1, 2**63 - 1], pa.uint64()), "number", [1, 2**63 - 1]),
        (pa.array([1, 2**63], pa.uint64()), "number", [1.0, float(2**63)]),
        (pa.array([1.5, float("nan"), float("inf"), None]), "number", [1.5, None, None, None]),
        (pa.array([1.5], pa.float16()), "number", [1.5]),
        (pa.array([Decimal("1.25"), None]), "number", [1.25, None]),
        (pa.array([True, None]), "boolean", [True, None]),
        (pa.array([dt.timedelta(seconds=1.5)], pa.duration("ms")), "number", [1.5]),
        (pa.array([dt.date(2026, 1, 31)]), "datetime", ["2026-01-31T00:00:00Z"]),
        (pa.array([dt.date(2026, 1, 31)], pa.date64()), "datetime", ["2026-01-31T00:00:00Z"]),
        (pa.array([dt.datetime(2026, 1, 31, 10)]), "datetime", ["2026-01-31T10:00:00Z"]),
        (
            pa.array([dt.datetime(2026, 1, 31, 10, tzinfo=PARIS), None], pa.timestamp("ms", "Europe/Paris")),
            "datetime",
            ["2026-01-31T08:00:00Z", None],
        ),
        (pa.array([1_700_000_000_123_456_789], pa.timestamp("ns")), "datetime", ["2023-11-14T22:13:20Z"]),
        (pa.array(["a", "b", None, "a"]).dictionary_encode(), "category", ["a", "b", None, "a"]),
        (pa.array([3, 4, 3]).dictionary_encode(), "number", [3, 4, 3]),
        (pa.array([b"text", None]), "category", ["text", None]),
        (pa.array(["1", "NA", " x "], pa.large_string()), "category", ["1", "NA", " x "]),
        (pa.nulls(2), "category", [None, None]),
        (pa.array([dt.time(9, 30)]), "category", ["09:30:00.000000"]),
    ],
)
def test_every_plain_type_has_a_place(desk, values, type_, shown):
    table = desk.read(parquet({"only": values}))
    assert (table.format, table.columns[0].type) == ("parquet", type_)
    assert [row["only"] for row in preview(desk.typed, 10)] == shown


def test_sentences_are_text(desk):
    table = desk.read(parquet({"note": [f"the {i} parcel came far too late" for i in range(30)]}))
    assert table.columns[0].type == "text"


@pytest.mark.parametrize(
    "values",
    [pa.array([[1], [2]]), pa.array([{"x": 1}, {"x": 2}]), pa.array([[("k", 1)]] * 2, pa.map_(pa.string(), pa.int8()))],
)
def test_a_nested_column_is_refused_by_name(desk, values):
    with pytest.raises(DatasetUnreadable, match="deep") as refused:
        desk.read(parquet({"flat": [1, 2], "deep": values}))
    assert refused.value.details["column"] == "deep"


def test_bytes_that_are_not_text_are_refused_by_name(desk):
    with pytest.raises(DatasetUnreadable) as refused:
        desk.read(parquet({"image": [b"\xff\xd8\xff"]}))
    assert refused.value.details["column"] == "image"


def test_names_used_twice_are_listed(desk):
    content = parquet(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]))
    with pytest.raises(DuplicateColumns) as refused:
        desk.read(content)
    assert refused.value.fields == [("a", "names columns 1, 2")]


@pytest.mark.parametrize("table", [pa.table({"a": pa.array([], pa.int64())}), pa.table({})])
def test_no_rows_or_columns_is_empty(desk, table):
    with pytest.raises(DatasetEmpty):
        desk.read(parquet(table))


@pytest.mark.parametrize("cut", [slice(0, 8), slice(0, -20), slice(0, 200)])
def test_a_cut_file_is_refused(desk, cut):
    with pytest.raises(DatasetUnreadable, match="broken"):
        desk.read(parquet({"a": list(range(1000))})[cut])


def test_a_file_with_broken_pages_is_refused_and_leaves_nothing(desk):
    content = bytearray(parquet({"a": [f"value {i}" for i in range(5000)]}, compression="snappy"))
    content[100:600] = b"\xff" * 500
    with pytest.raises(DatasetUnreadable, match="broken"):
        desk.read(bytes(content))
    assert not desk.typed.exists()


def test_many_batches_become_few_row_groups_of_bounded_size(desk, monkeypatch):
    monkeypatch.setattr(parquet_reading, "BATCH_CELLS", 100)
    monkeypatch.setattr(parquet_writing, "ROW_GROUP_ROWS", 1000)
    table = desk.read(parquet({"a": list(range(4500)), "b.c": ["x"] * 4500}))
    metadata = pq.read_metadata(desk.typed)
    sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    assert (table.rows, sizes) == (4500, [1000, 1000, 1000, 1000, 500])
    assert pq.read_table(desk.typed)["a"].to_pylist() == list(range(4500))


def test_a_preview_keeps_the_order_over_row_groups(desk, monkeypatch):
    monkeypatch.setattr(parquet_writing, "ROW_GROUP_ROWS", 10)
    desk.read(parquet({"a": list(range(95, 0, -1))}))
    assert [row["a"] for row in preview(desk.typed, 25)] == list(range(95, 70, -1))
    assert len(preview(desk.typed, 200)) == 95
