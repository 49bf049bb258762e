import codecs
import gzip
import hashlib

import pyarrow.parquet as pq
import pytest

from studio.errors import DatasetEmpty, DatasetUnreadable, DuplicateColumns, TooLarge
from studio.tabular import csv_layout, csv_reading, csv_text
from studio.tabular.preview import preview


def types(table):
    return {column.name: column.type.value for column in table.columns}


def type_of(desk, *values):
    return desk.read("only\n" + "\n".join(f'"{value}"' for value in values)).columns[0].type.value


def stored(desk):
    return pq.read_table(desk.typed).column(0).to_pylist()


def test_a_table_is_stored_typed_with_the_fingerprint_of_its_content(desk):
    content = b"a,b\n1,x\n2.5,\n"
    table = desk.read(content)
    assert (table.format, table.rows, types(table)) == ("csv", 2, {"a": "number", "b": "category"})
    assert (table.size_bytes, table.fingerprint) == (len(content), hashlib.sha256(content).hexdigest())
    assert desk.original.read_bytes() == content
    assert preview(desk.typed, 10) == [{"a": 1.0, "b": "x"}, {"a": 2.5, "b": None}]


def test_gzip_is_told_by_content_and_the_original_is_kept_decompressed(desk):
    content = b"a,b\n1,2\n"
    plain, packed = desk.read(content), desk.read(gzip.compress(content[:3]) + gzip.compress(content[3:]))
    assert plain == packed
    assert desk.original.read_bytes() == content


def test_a_cut_gzip_is_refused(desk):
    with pytest.raises(DatasetUnreadable, match="gzip"):
        desk.read(gzip.compress(b"a,b\n1,2\n" * 1000)[:-12])


def test_a_gzip_bomb_stops_at_the_limit_and_leaves_nothing(desk):
    with pytest.raises(TooLarge):
        desk.read(gzip.compress(b"a\n" + b"1\n" * 10_000_000), max_bytes=1 << 20)
    assert not desk.original.exists()
    assert not desk.typed.exists()


def test_the_limit_itself_is_allowed(desk):
    assert desk.read("a\n1\n", max_bytes=4).rows == 1
    with pytest.raises(TooLarge):
        desk.read("a\n1\n", max_bytes=3)


@pytest.mark.parametrize("content", ["", "a,b\n", "a,b", "a,b\r\n\r\n", "\n\n", "\ufeff"])
def test_no_rows_is_empty(desk, content):
    with pytest.raises(DatasetEmpty):
        desk.read(content)
    assert not desk.original.exists()


@pytest.mark.parametrize(
    ("content", "line", "found"),
    [
        ("a,b\n1,2\n3\n", 3, 1),
        ("a,b\n1,2\n3,4,5\n", 3, 3),
        ('a,b\n"x\ny\n\nz",2\n\n3\n', 7, 1),
        ('"a\n\n",b\n1,2\n3\n', 5, 1),
        ("a,b\r\n1,2\r\n3,4,5\r\n", 3, 3),
        ("a,b\r1,2\r3,4,5\r", 3, 3),
        ("a;b;c\n1;2;3\n1;2;3\n4;5\n", 4, 2),
        ("a,b\n" + "1,2\n" * 300_000 + "1\n", 300_002, 1),
    ],
)
def test_a_ragged_line_is_named(desk, content, line, found):
    with pytest.raises(DatasetUnreadable) as refused:
        desk.read(content)
    details = refused.value.details
    assert (details["line"], details["found"]) == (line, found)
    assert f"Line {line} " in str(refused.value)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('a,b\n1,2\n3,"4\n5,6\n', 3),
        ('a,b\n1,2\n"3,4\n5,6\n', 3),
        ('a,b\n1,"x\ny"\n3,"4\n' + "1,2\n" * 3_000_000, 4),
    ],
)
def test_a_quote_that_is_never_closed_is_named(desk, content, line):
    with pytest.raises(DatasetUnreadable, match="never closed") as refused:
        desk.read(content)
    assert refused.value.details["line"] == line


def test_a_last_value_may_hold_line_breaks(desk):
    assert desk.read('a,b\n1,"x\ny"\n').rows == 1
    assert preview(desk.typed, 1) == [{"a": 1, "b": "x\ny"}]


def test_names_used_twice_are_all_listed(desk):
    with pytest.raises(DuplicateColumns) as refused:
        desk.read("a,b,a,c,b, a\n1,2,3,4,5,6\n")
    assert refused.value.fields == [("a", "names columns 1, 3, 6"), ("b", "names columns 2, 5")]


def test_a_column_without_a_name_is_refused_with_its_position(desk):
    with pytest.raises(DatasetUnreadable) as refused:
        desk.read("a, ,c\n1,2,3\n")
    assert refused.value.details["column"] == 2


@pytest.mark.parametrize("chunk", [1, 3, 1 << 20])
@pytest.mark.parametrize(
    ("content", "line", "byte"),
    [
        (b"a,b\r\n1,caf\xe9\r\n", 2, 6),
        (b"a\n\xc3\xa9\nb\xff", 3, 2),
        (b"a\n1\n\xe2\x82", 3, 1),
        (b"a\r1\r\xff", 3, 1),
        (b"a\n1\n2\x003\n", 3, 2),
    ],
)
def test_bytes_that_are_not_text_are_named(desk, monkeypatch, content, line, byte, chunk):
    monkeypatch.setattr(csv_text, "CHUNK_BYTES", chunk)
    with pytest.raises(DatasetUnreadable) as refused:
        desk.read(content)
    assert (refused.value.details["line"], refused.value.details["byte"]) == (line, byte)


def test_a_byte_order_mark_is_no_part_of_the_first_name(desk):
    assert types(desk.read(codecs.BOM_UTF8 + b"a,b\n1,2\n")) == {"a": "number", "b": "number"}
    assert preview(desk.typed, 1) == [{"a": 1, "b": 2}]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("a,b\n1,2\n".encode("utf-16"), "UTF-16"),
        (b"PK\x03\x04" + b"0" * 50, "ZIP"),
        (b"%PDF-1.7", "PDF"),
        ("a,b\n1,2\n".encode("utf-16-le"), "NUL"),
    ],
)
def test_other_kinds_of_file_are_told(desk, content, kind):
    with pytest.raises(DatasetUnreadable, match=kind):
        desk.read(content)


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(desk, mark):
    rows = [["name", "note", "n"], ["x", '"a, b; c | d"', "1"], ["y", '"e\tf"', "2"]]
    table = desk.read("\r\n".join(mark.join(row) for row in rows))
    assert types(table) == {"name": "category", "note": "category", "n": "number"}
    assert preview(desk.typed, 1) == [{"name": "x", "note": "a, b; c | d", "n": 1}]


def test_a_decimal_comma_is_one_only_between_semicolons(desk):
    table = desk.read("price, EUR;n\n1,5;2\n-2,25;3\n")
    assert types(table) == {"price, EUR": "number", "n": "number"}
    assert preview(desk.typed, 2) == [{"price, EUR": 1.5, "n": 2}, {"price, EUR": -2.25, "n": 3}]
    assert type_of(desk, "1,5", "2,5") == "category"


def test_a_single_column_with_marks_of_other_delimiters(desk):
    table = desk.read("note; from people\nhello\nbye\n")
    assert types(table) == {"note; from people": "category"}


@pytest.mark.parametrize(
    ("values", "type_", "read"),
    [
        (["1", " 2 ", "", "NA", "-3"], "number", [1, 2, None, None, -3]),
        (["1", "2.5", "1e3", ".5", "N/A", "inf"], "number", [1.0, 2.5, 1000.0, 0.5, None, None]),
        (["-9007199254740991", "1"], "number", [1 - 2**53, 1]),
        (["9007199254740992", "1"], "category", ["9007199254740992", "1"]),
        (["-9223372036854775808", "1"], "category", ["-9223372036854775808", "1"]),
        (["12345678901234567890", "1.5"], "category", ["12345678901234567890", "1.5"]),
        (["007", "12"], "category", ["007", "12"]),
        (["0x10", "1"], "category", ["0x10", "1"]),
        (["0", "0.5", "-0.25"], "number", [0.0, 0.5, -0.25]),
        (["+4915112345", "+4915112346"], "category", ["+4915112345", "+4915112346"]),
        (["inf", "Infinity"], "category", ["inf", "Infinity"]),
        (["1", "x"], "category", ["1", "x"]),
        (["true", "False", "null"], "boolean", [True, False, None]),
        (["Yes", "No"], "category", ["Yes", "No"]),
        ([" a ", "b"], "category", [" a ", "b"]),
        (["", "None", "<NA>"], "category", [None, None, None]),
    ],
)
def test_values_get_the_type_that_all_of_them_have(desk, values, type_, read):
    assert type_of(desk, *values) == type_
    assert stored(desk) == read


@pytest.mark.parametrize(
    ("values", "times"),
    [
        (["2026-01-31", "2026-02-01"], ["2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z"]),
        (["2026-01-31 10:11", "", "NaN"], ["2026-01-31T10:11:00Z", None, None]),
        (["2026-01-31T10:11:12.123456789"], ["2026-01-31T10:11:12Z"]),
        (["2026-01-31T10:11:12+02:00", "2026-01-31T10:11:12Z"], ["2026-01-31T08:11:12Z", "2026-01-31T10:11:12Z"]),
        (["2026/1/5", "2026/12/31"], ["2026-01-05T00:00:00Z", "2026-12-31T00:00:00Z"]),
        (["5.1.2026", "6.1.2026 9:05"], ["2026-01-05T00:00:00Z", "2026-01-06T09:05:00Z"]),
        (["5/1/2026", "31/1/2026"], ["2026-01-05T00:00:00Z", "2026-01-31T00:00:00Z"]),
        (["1/5/2026", "1/31/2026"], ["2026-01-05T00:00:00Z", "2026-01-31T00:00:00Z"]),
        (["1-5-2026 9:05:07", "1-31-2026 10:00:00"], ["2026-01-05T09:05:07Z", "2026-01-31T10:00:00Z"]),
    ],
)
def test_times_are_read_as_utc(desk, values, times):
    assert type_of(desk, *values) == "datetime"
    assert [row["only"] for row in preview(desk.typed, 10)] == times


@pytest.mark.parametrize(
    "values",
    [
        ["1/5/2026", "5/1/2026"],
        ["13/1/2026", "1/13/2026"],
        ["2026-02-30"],
        ["2026-01-01", "2026-01-01T00:00:00Z"],
        ["31/2/2026"],
    ],
)
def test_dates_that_are_not_clear_over_the_whole_column_stay_text(desk, values):
    assert type_of(desk, *values) == "category"


def test_sentences_are_text_unless_they_repeat(desk):
    sentences = [f"the {i} parcel came far too late" for i in range(30)]
    assert type_of(desk, *sentences) == "text"
    assert type_of(desk, *(sentences[:3] * 10)) == "category"
    assert type_of(desk, *(f"Street {i}" for i in range(30))) == "category"


def test_types_hold_for_all_blocks_not_only_the_first(desk, monkeypatch):
    monkeypatch.setattr(csv_reading, "SMALL_BLOCK_BYTES", 1000)
    rows = [f"{i},{i},2026-01-01,true,{i}" for i in range(2000)]
    table = desk.read("\n".join(["i,f,d,b,c", *rows, "1,2.5,2026-01-02,false,x"]))
    expected = {"i": "number", "f": "number", "d": "datetime", "b": "boolean", "c": "category"}
    assert types(table) == expected
    columns = pq.read_table(desk.typed)
    assert columns["i"].to_pylist() == [*range(2000), 1]
    assert columns["f"].to_pylist() == [*map(float, range(2000)), 2.5]
    assert columns["c"].to_pylist() == [*map(str, range(2000)), "x"]


def test_a_record_longer_than_a_block_takes_larger_blocks(desk, monkeypatch):
    monkeypatch.setattr(csv_reading, "SMALL_BLOCK_BYTES", 100)
    assert desk.read('a,b\n1,2\n3,"' + "x\n" * 5000 + '"\n4,5\n').rows == 3


def test_a_record_longer_than_any_may_be_is_refused(desk, monkeypatch):
    monkeypatch.setattr(csv_reading, "SMALL_BLOCK_BYTES", 100)
    monkeypatch.setattr(csv_reading, "LARGE_BLOCK_BYTES", 200)
    with pytest.raises(DatasetUnreadable, match="longer"):
        desk.read("a,b\n1,2\n3," + "x" * 5000 + "\n4,5\n")


@pytest.mark.slow
def test_ten_thousand_columns_are_fine(desk):
    names = [f"c{i}" for i in range(10_000)]
    rows = [",".join(str(i + row) for i in range(10_000)) for row in range(2)]
    table = desk.read("\n".join([",".join(names), *rows]))
    assert (table.rows, len(table.columns)) == (2, 10_000)
    assert preview(desk.typed, 1)[0]["c9999"] == 9999


def test_a_name_or_value_longer_than_the_csv_module_takes_by_itself(desk):
    table = desk.read(f"a,{'n' * 200_000}\n{'v' * 200_000},2\n")
    assert [len(column.name) for column in table.columns] == [1, 200_000]


def test_too_many_columns_are_refused(desk):
    with pytest.raises(DatasetUnreadable, match="most"):
        desk.read("a," * csv_layout.MAX_COLUMNS + "b\n1\n")


def test_reading_again_replaces_what_was_there(desk):
    desk.read("a\n1\n2\n")
    desk.read("b\n3\n")
    assert preview(desk.typed, 5) == [{"b": 3}]


@pytest.mark.parametrize(
    ("name", "rows", "expected"),
    [
        ("telco.csv", 7043, {"customerID": "category", "TotalCharges": "number", "Churn": "category"}),
        ("titanic.csv", 891, {"survived": "number", "age": "number", "alone": "boolean", "deck": "category"}),
        ("diamonds.csv", 53_940, {"cut": "category", "price": "number", "z": "number"}),
        ("elec.csv", 45_312, {"period": "number", "class": "number"}),
    ],
)
def test_public_tables(desk, public_table, name, rows, expected):
    table = desk.read(public_table(name))
    assert table.rows == rows
    assert types(table).items() >= expected.items()
