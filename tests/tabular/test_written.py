"""Numbers and dates that are not written the plain way: one form for a whole column, then the same for every reader."""

import csv
import io
import math

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.tabular import csv_reading
from studio.tabular.preview import preview
from studio.tabular.profile import profile
from studio.tabular.stored_forms import read_forms
from studio.tabular.written import UndecidedDate, WrittenDate, WrittenNumber, from_json, to_json

FORMS = [
    WrittenNumber(grouping, decimal, mark)
    for grouping, decimal in ((",", "."), (".", ","), (" ", ","), (" ", "."), ("'", "."))
    for mark in ("", "$", "€", "%", "CHF")
]


def table(delimiter=",", **columns):
    """A CSV file with every field quoted."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return out.getvalue()


def write(number, form, *, decimals=2, is_grouped=True, is_mark_first=True):
    """A number in a form."""
    whole, _, rest = f"{abs(number):.{decimals}f}".partition(".")
    if is_grouped:
        whole = f"{int(whole):,}".replace(",", form.grouping)
    digits = whole + (form.decimal + rest if rest else "")
    sign = "-" if number < 0 else ""
    if not form.mark:
        return sign + digits
    return sign + form.mark + digits if is_mark_first and form.mark != "%" else sign + digits + " " + form.mark


@pytest.fixture
def read(desk):
    """Read a table of columns; gives their types, stored values and forms."""

    def run(delimiter=",", **columns):
        found = desk.read(table(delimiter, **columns))
        stored = pq.read_table(desk.typed)
        types = {column.name: column.type.value for column in found.columns}
        return types, {name: stored[name].to_pylist() for name in stored.column_names}, read_forms(desk.typed)

    return run


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        (["1,234.5", "12", "-1,000,000"], [1234.5, 12, -1000000]),
        (["1.234,5", "12", "-1.000.000,25"], [1234.5, 12, -1000000.25]),
        (["1 234,5", "12", ""], [1234.5, 12, None]),
        (["1\u202f234", "12\u00a0345\u00a0678", "7"], [1234, 12345678, 7]),
        (["1'234.50", "1\u2019000.00"], [1234.5, 1000]),
        (["12.5%", "3 %", "-0.1%"], [12.5, 3, -0.1]),
        (["12,5 %", "3 %"], [12.5, 3]),
        (["$1,200", "-$5", "$ 3.50", "($2)"], [1200, -5, 3.5, -2]),
        (["€ 3,50", "€ 1.200,00", "€ 12"], [3.5, 1200, 12]),
        (["3,50 €", "1 200,00 €"], [3.5, 1200]),
        (["CHF 1'200.-", "x"], None),
        (["1,234", "5,678"], [1234, 5678]),
        (["(1,234.5)", "2,000.0"], [-1234.5, 2000]),
        (["1.5", "1,234.5", "1.5e3"], [1.5, 1234.5, 1500]),
        (["\u22121,234.5", "2"], [-1234.5, 2]),
    ],
)
def test_one_form_that_fits_all_values_is_read(read, values, numbers):
    types, stored, _ = read(only=values)
    assert types["only"] == ("number" if numbers else "category")
    assert stored["only"] == (numbers or values)


@pytest.mark.parametrize(
    "values",
    [
        ["1,234.5", "1.234,5"],
        ["12.5%", "0.3"],
        ["$5", "€5"],
        ["1,23,456"],
        ["1,5", "2,5"],
        ["1,2,3", "2,3"],
        ["01,234", "1,234"],
        ["555 123 456", "555 987 654"],
        ["123.456.789", "987.654.321"],
        ["10.0.0.1", "192.168.100.200"],
        ["12 345", "12 Main St"],
        ["9,007,199,254,740,993", "1"],
        ["00501", "10001"],
        ["+49 151 234", "+49 151 235"],
        ["(5)", "3"],
        ["5-", "3"],
        ["%", "$"],
    ],
)
def test_what_is_no_quantity_in_one_form_stays_as_it_is(read, values):
    types, stored, forms = read(only=values)
    assert (types["only"], stored["only"], forms) == ("category", values, {})


def test_what_separates_is_told_by_the_whole_column(read):
    assert read(a=["1,234", "5,678"])[1]["a"] == [1234, 5678]
    assert read(a=["1,234", "5,67"], b=["x", "y"], delimiter=";")[1]["a"] == [1.234, 5.67]
    assert read(a=["1,234", "5,678"], b=["x", "y"], delimiter=";")[1]["a"] == [1.234, 5.678]
    assert read(a=["1,234", "5,678.9"])[1]["a"] == [1234, 5678.9]
    assert read(a=["1.234", "5.67"])[1]["a"] == [1.234, 5.67]
    assert read(a=["1.234", "5.678,9"])[1]["a"] == [1234, 5678.9]


def test_a_column_in_doubt_follows_the_others_of_its_file(read):
    doubtful = ["1,234", "5,678"]
    assert read(a=doubtful, b=["1.5%", "2.5%"])[1]["a"] == [1234, 5678]
    assert read(a=doubtful, b=["1,5%", "2,5%"])[1]["a"] == [1.234, 5.678]
    assert read(a=["1.234", "5.678"], b=["1,5%", "2,5%"])[1]["a"] == [1234, 5678]
    assert read(a=["1.234", "5.678"], b=["1,5%", "2.5"], delimiter=";")[1]["a"] == [1.234, 5.678]
    days = ["1/2/2026", "3/4/2026"]
    assert read(a=days)[0]["a"] == "category"
    assert read(a=days, b=["31/1/2026", "1/1/2026"])[1]["a"][0].month == 2
    assert read(a=days, b=["1/31/2026", "1/1/2026"])[1]["a"][0].month == 1
    assert read(a=days, b=["1/31/2026", "1/1/2026"], c=["31/1/2026", "1/1/2026"])[0]["a"] == "category"


def test_what_was_made_of_a_column_is_told(desk):
    columns = {
        "price": ["$1,200", "$5"], "share": ["12.5%", "3%"], "at": ["31/1/2026", "1/2/2026"], "plain": ["1.5", "2"],
        "doubt": ["1,234", "5,678"],
    }  # fmt: skip
    found = profile(desk.typed, desk.read(table(**columns)).columns)
    told = {(warning.code, warning.column) for warning in found.warnings}
    assert told >= {("converted", "price"), ("converted", "share"), ("converted", "at"), ("converted", "doubt")}
    assert not any(column == "plain" for _, column in told)
    assert any("12.5% is 12.5" in warning.message for warning in found.warnings)
    assert any("the day first" in warning.message for warning in found.warnings)


def test_doubts_are_told(desk):
    def warned(delimiter=",", **columns):
        found = profile(desk.typed, desk.read(table(delimiter, **columns)).columns)
        return {(warning.code, warning.column) for warning in found.warnings}

    assert ("ambiguous_dates", "a") in warned(a=["1/2/2026", "3/4/2026"])
    assert ("ambiguous_numbers", "a") in warned(a=["1,234", "5,678"])
    assert ("ambiguous_numbers", "a") in warned(a=["1.234", "5.678"], b=["x", "y"], delimiter=";")
    assert ("ambiguous_numbers", "a") not in warned(a=["1.234", "5.678"])
    assert ("ambiguous_numbers", "a") not in warned(a=["1,234", "5,678.9"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    form=st.sampled_from(FORMS),
    numbers=st.lists(st.integers(-(10**11), 10**11).map(lambda n: n / 100), min_size=2, max_size=40),
    is_grouped=st.booleans(),
    is_mark_first=st.booleans(),
    block_bytes=st.sampled_from([64, 1 << 20]),
)
def test_numbers_come_back_from_every_form(desk, monkeypatch, form, numbers, is_grouped, is_mark_first, block_bytes):
    monkeypatch.setattr(csv_reading, "SMALL_BLOCK_BYTES", block_bytes)
    numbers += [1234567.25, 1.5]  # so that there is no doubt
    texts = [write(number, form, is_mark_first=is_mark_first) for number in numbers[:-1]]
    texts.append(write(numbers[-1], form, is_grouped=is_grouped, is_mark_first=is_mark_first))
    assert desk.read(table(only=texts)).columns[0].type == "number"
    assert pq.read_table(desk.typed)["only"].to_pylist() == pytest.approx(numbers, rel=1e-12)
    kept = read_forms(desk.typed)["only"]
    assert [kept.read(text) for text in texts] == pytest.approx(numbers, rel=1e-12)
    assert kept.mark == form.mark
    assert from_json(to_json(kept)) == kept


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text("0123456789.,' %$€()+-eE", min_size=1, max_size=9), min_size=1, max_size=6),
    delimiter=st.sampled_from([",", ";", "\t"]),
    block_bytes=st.sampled_from([32, 1 << 20]),
)
def test_any_text_is_read_alike_by_both_readers_or_kept(desk, monkeypatch, texts, delimiter, block_bytes):
    monkeypatch.setattr(csv_reading, "SMALL_BLOCK_BYTES", block_bytes)
    found = desk.read(table(delimiter, a=texts, b=["x"] * len(texts)))
    stored = pq.read_table(desk.typed)["a"].to_pylist()
    form = read_forms(desk.typed).get("a")
    if isinstance(form, WrittenNumber):
        assert found.columns[0].type == "number"
        for text, value in zip(texts, stored, strict=True):
            read = form.read(text)
            assert (value is None and math.isnan(read)) or read == pytest.approx(value)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    days=st.lists(st.dates(), min_size=1, max_size=20),
    order=st.sampled_from(["dmy", "mdy"]),
    separator=st.sampled_from("/-."),
    is_padded=st.booleans(),
)
def test_dates_come_back_whichever_comes_first(desk, days, order, separator, is_padded):
    order = "dmy" if separator == "." else order
    days = [day.replace(year=max(day.year, 1000)) for day in [*days, days[0].replace(day=13, month=2)]]
    width = 2 if is_padded else 1
    texts = []
    for day in days:
        parts = (day.day, day.month) if order == "dmy" else (day.month, day.day)
        texts.append(separator.join([*(f"{part:0{width}}" for part in parts), str(day.year)]))
    assert desk.read(table(only=texts)).columns[0].type == "datetime"
    assert [value.date() for value in pq.read_table(desk.typed)["only"].to_pylist()] == days
    form = read_forms(desk.typed)["only"]
    assert form.order == order
    assert [form.read(text) for text in texts] == [day.isoformat() for day in days]


@pytest.mark.parametrize(
    ("values", "times"),
    [
        (
            ["1/31/2026 2:30 PM", "2/1/2026 12:05 am", "2/2/2026 12:00:09 PM"],
            ["31T14:30:00", "01T00:05:00", "02T12:00:09"],
        ),
        (["31/1/2026 02:30PM", "1/2/2026", ""], ["31T14:30:00", "01T00:00:00", None]),
        (["1/31/2026 1:00 p.m.", "1/30/2026 11:59 AM"], ["31T13:00:00", "30T11:59:00"]),
    ],
)
def test_clocks_of_twelve_hours(read, values, times):
    types, stored, forms = read(only=values)
    assert types["only"] == "datetime"
    assert [value and value.isoformat()[8:19] for value in stored["only"]] == times
    for text, value in zip(values, stored["only"], strict=True):
        assert not text or pd.Timestamp(forms["only"].read(text), tz="UTC") == value


@pytest.mark.parametrize(
    "values", [["1/31/2026 14:30 PM"], ["1/31/2026 0:30 AM"], ["1/2/2026 2:30 PM"], ["1/31/2026 2:75 PM"]]
)
def test_hours_and_orders_in_doubt_stay_text(read, values):
    assert read(only=values)[0]["only"] == "category"


def test_forms_are_kept_as_json():
    for form in (
        *FORMS,
        WrittenDate("mdy"),
        WrittenDate("dmy", "."),
        WrittenDate("mdy", has_half_days=True),
        UndecidedDate(),
    ):
        assert from_json(to_json(form)) == form


def test_previews_show_what_was_read(desk):
    desk.read(table(price=["$1,200", "$5.5"]))
    assert preview(desk.typed, 2) == [{"price": 1200.0}, {"price": 5.5}]
