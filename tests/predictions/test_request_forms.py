"""The same rows, however they are sent, are the same rows; and every fault is told where it stands."""

import contextlib
import csv
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.backends.mlflow.model_files import ModelColumn
from studio.errors import InvalidInput, InvalidInputs, MalformedBody, TooLarge
from studio.predictions.service.cells import find_fault
from studio.predictions.service.file_forms import read_csv, read_parquet
from studio.predictions.service.input_schema import GivenColumns, GivenRows, InputSchema
from studio.predictions.service.json_forms import MAX_ROWS, read_document, records_at

KINDS = {
    "n": ("double", st.floats(-1e6, 1e6) | st.integers(-100, 100)),
    "w/h": ("long", st.integers(-(2**63), 2**63 - 1)),
    'a "word"🚚': ("string", st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zs")), min_size=1)),
    "is": ("boolean", st.booleans()),
    "at": ("datetime", st.datetimes().map(lambda moment: moment.isoformat())),
}
SCHEMA = InputSchema([ModelColumn(name, kind) for name, (kind, _) in KINDS.items()])
NAMES = list(KINDS)
ROWS = st.lists(st.fixed_dictionaries({name: st.none() | values for name, (_, values) in KINDS.items()}), min_size=1)
ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=2)
MISSING_WORDS = {"NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "null", "NULL", "None"}


def check(document):
    return SCHEMA.check(read_document(document, NAMES))


def faults(document, refusal=InvalidInputs):
    with pytest.raises(refusal) as refused:
        check(document)
    return dict(refused.value.fields)


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, order=st.permutations(NAMES))
def test_every_form_of_json_gives_the_same_rows(rows, order):
    lists = [[row[name] for name in NAMES] for row in rows]
    mixed = [{name: row[name] for name in order} for row in rows]
    for key in ("inputs", "instances"):
        assert check({key: mixed}) == rows
        assert check({key: lists}) == rows
        assert check({key: {name: [row[name] for row in rows] for name in order}}) == rows
    assert check({"dataframe_records": mixed, "params": {}}) == rows
    split = {"columns": order, "data": [[row[name] for name in order] for row in rows], "index": list(range(len(rows)))}
    assert check({"dataframe_split": split}) == rows


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, order=st.permutations(NAMES), delimiter=st.sampled_from(",;\t"))
def test_files_give_the_same_rows(rows, order, delimiter):
    for row in rows:
        if row['a "word"🚚'] in MISSING_WORDS:
            row['a "word"🚚'] = None
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(order)
    writer.writerows([["" if row[name] is None else row[name] for name in order] for row in rows])
    assert SCHEMA.check(read_csv(text.getvalue().encode(), SCHEMA.columns)) == rows
    types = {"n": pa.float64(), "w/h": pa.int64(), 'a "word"🚚': pa.string(), "is": pa.bool_(), "at": pa.string()}
    table = pa.table({name: pa.array([row[name] for row in rows], types[name]) for name in order})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    assert SCHEMA.check(read_parquet(sink.getvalue())) == rows


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.dictionaries(st.sampled_from([*NAMES, "more"]), ANYTHING | ROWS), min_size=1, max_size=5),
    optional=st.sets(st.sampled_from(NAMES)),
)
def test_the_quick_check_finds_what_a_look_at_each_cell_finds(rows, optional):
    schema = InputSchema([ModelColumn(name, kind, name not in optional) for name, (kind, _) in KINDS.items()])
    expected = {
        (number, name)
        for number, row in enumerate(rows)
        for name in {*NAMES, *row}
        if (name == "more")
        or (name not in row and name not in optional)
        or (name in row and find_fault(ModelColumn(name, KINDS[name][0]), row[name]) is not None)
    }
    try:
        assert schema.check(GivenRows(rows, lambda row, name: f"{row}|{name}")) == rows
        found = set()
    except InvalidInputs as refused:
        found = {(int(at.partition("|")[0]), at.partition("|")[2]) for at, _ in refused.fields}
    assert found == expected


@settings(max_examples=100, deadline=None)
@given(document=st.recursive(ANYTHING, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8))
def test_no_document_is_a_fault_of_ours(document):
    forms = [{form: document} for form in ("inputs", "instances", "dataframe_records", "dataframe_split")]
    for body in (document, *forms, {"dataframe_split": {"columns": document, "data": document}}):
        with contextlib.suppress(InvalidInput, TooLarge):
            check(body)


GOOD = {"n": 1.5, "w/h": 3, 'a "word"🚚': "x", "is": True, "at": "2026-05-03"}
LIST = list(GOOD.values())


def test_a_fault_is_told_where_it_stands():
    bad = {**GOOD, "w/h": "many"}
    assert faults({"inputs": [GOOD, bad]}) == {"/inputs/1/w~1h": "must be a whole number"}
    assert faults({"instances": [LIST, [1.5, "many", *LIST[2:]]]}) == {"/instances/1/1": "must be a whole number"}
    columns = {name: [value, value] for name, value in GOOD.items()}
    assert faults({"inputs": {**columns, "w/h": [3, "many"]}}) == {"/inputs/w~1h/1": "must be a whole number"}
    split = {"columns": list(GOOD)[::-1], "data": [LIST[::-1], [*LIST[:1:-1], "many", 1.5]]}
    assert faults({"dataframe_split": split}) == {"/dataframe_split/data/1/3": "must be a whole number"}


def test_missing_and_unknown_features_are_told_together():
    row = {**GOOD, "colour": "red"}
    del row["n"]
    assert faults({"inputs": [row]}) == {"/inputs/0/n": "is required", "/inputs/0/colour": "unknown feature"}
    assert faults({"inputs": {name: [value] for name, value in row.items()}}) == {
        "/inputs/n": "is required",
        "/inputs/colour": "unknown feature",
    }
    split = {"columns": list(row), "data": [list(row.values())]}
    assert faults({"dataframe_split": split}) == {"/dataframe_split/columns": "unknown feature"}
    assert SCHEMA.check(GivenRows([GOOD], records_at("/inputs"))) == [GOOD]


@pytest.mark.parametrize(
    ("document", "pointers"),
    [
        ([], {""}), ({}, {"/inputs"}), ({"inputs": [GOOD], "instances": [GOOD]}, {"/inputs", "/instances"}),
        ({"inputs": [GOOD], "more": 1}, {"/more"}), ({"inputs": [GOOD], "params": []}, {"/params"}),
        ({"inputs": [GOOD], "params": {"a/b": 1}}, {"/params/a~1b"}), ({"inputs": []}, {"/inputs"}),
        ({"inputs": {}}, {"/inputs"}), ({"inputs": {"n": []}}, {"/inputs"}), ({"inputs": 3}, {"/inputs"}),
        ({"inputs": GOOD}, {"/inputs/n", "/inputs/w~1h", '/inputs/a "word"🚚', "/inputs/is", "/inputs/at"}),
        ({"inputs": {"n": [1], "is": [True, False]}}, {"/inputs/is"}), ({"inputs": [GOOD, 3]}, {"/inputs/1"}),
        ({"inputs": [LIST, LIST[1:]]}, {"/inputs/1"}), ({"inputs": [LIST, GOOD]}, {"/inputs/1"}),
        ({"dataframe_split": {"columns": ["n", "n"], "data": [[1, 2]]}}, {"/dataframe_split/columns"}),
        ({"dataframe_split": {"columns": ["n"], "data": 3}}, {"/dataframe_split/data"}),
        ({"dataframe_split": {"columns": ["n"], "data": [1]}}, {"/dataframe_split/data/0"}),
        ({"dataframe_split": {"data": []}}, {"/dataframe_split"}),
    ],
)  # fmt: skip
def test_a_wrong_form_is_told(document, pointers):
    assert set(faults(document, InvalidInput)) == pointers


def test_a_thousand_faults_are_told_in_part():
    with pytest.raises(InvalidInputs, match=r"1000 features were refused; these are the first 100") as refused:
        check({"inputs": [{**GOOD, "n": "x"}] * 1000})
    assert len(refused.value.fields) == 100


def test_more_rows_than_a_call_may_have_are_too_many():
    columns = {name: [value] * (MAX_ROWS + 1) for name, value in GOOD.items()}
    for document in ({"inputs": [GOOD] * (MAX_ROWS + 1)}, {"inputs": columns}, {"instances": [LIST] * (MAX_ROWS + 1)}):
        with pytest.raises(TooLarge):
            check(document)
    assert len(check({"inputs": [GOOD] * MAX_ROWS})) == MAX_ROWS


def test_a_version_without_a_signature_takes_records_as_they_come():
    schema = InputSchema(None)
    assert schema.check(read_document({"inputs": [{"b": 1}, {"a": [2]}]}, schema.names)) == [{"b": 1}, {"a": [2]}]
    assert schema.check(read_document({"inputs": {"b": [1, 2]}}, schema.names)) == [{"b": 1}, {"b": 2}]
    with pytest.raises(InvalidInput, match="1 field"):
        read_document({"inputs": [[1]]}, schema.names)


def csv_faults(text, refusal=InvalidInputs):
    with pytest.raises(refusal) as refused:
        SCHEMA.check(read_csv(text.encode(), SCHEMA.columns))
    return dict(refused.value.fields)


def test_faults_of_a_file_name_row_and_column():
    header, row = ",".join(f'"{name}"'.replace('"word"', '""word""') for name in GOOD), "1.5,3,x,true,2026-05-03"
    text = f"{header}\n{row}\n{row.replace('3,x', 'many,x')}\n"
    assert csv_faults(text) == {"row 2, w/h": "must be a whole number"}
    assert csv_faults(f"{header}\r\n{row},7\r\n") == {"row 1": "must have 5 values, as the header"}
    assert csv_faults("n,more\n1,2\n")["header, more"] == "unknown feature"
    assert csv_faults("n,n\n1,2\n", InvalidInput) == {"header, n": "stands twice"}
    assert csv_faults(f"{header}\n", InvalidInput) == {"row 1": "must hold at least one row"}
    assert csv_faults("", InvalidInput) == {"header": "must hold at least one row"}


def test_a_file_that_is_none_is_malformed():
    for raw in (b"\xff\xfe", b'n\n"open\n'):
        with pytest.raises(MalformedBody):
            read_csv(raw, SCHEMA.columns)
    for raw in (b"", b"PAR1", b"PAR1" * 20):
        with pytest.raises(MalformedBody):
            read_parquet(raw)
    sink = io.BytesIO()
    pq.write_table(pa.table({"n": [[1, 2]]}), sink)
    with pytest.raises(MalformedBody, match="nested"):
        read_parquet(sink.getvalue())


def test_missing_values_of_a_file_are_those_of_datasets():
    given = read_csv(b"x\nNaN\n \n\n7\ninf\n", {"x": ModelColumn("x", "double")})
    assert given == GivenColumns({"x": [None, None, None, 7.0, None]}, 5, given.place)
    assert json.dumps(given.columns["x"])
