import json

import numpy as np
import pandas as pd
import pytest

from studio.errors import UnknownColumn
from studio.tabular import profile as profile_module
from studio.tabular.profile import profile, sample_table

DIAMONDS = {("duplicate_rows", None), *(("outliers", name) for name in ("depth", "table", "y", "z"))}


@pytest.fixture
def read(desk):
    """Profile a frame, by way of CSV; gives the profiles by name and the warnings as (code, column)."""

    def run(frame, target=None):
        content = frame if isinstance(frame, bytes) else frame.to_csv(index=False).encode()
        found = profile(desk.typed, desk.read(content).columns, target)
        body = json.loads(json.dumps(found.to_json(), allow_nan=False))
        columns = {column["name"]: column for column in body["column_profiles"]}
        return columns, {(warning["code"], warning["column"]) for warning in body["warnings"]}

    return run


def test_numbers_are_summed_up(read):
    columns, _ = read(pd.DataFrame({"n": [4.0, 1, 1, None, 2, 10], "i": [3, 1, 2, 3, 3, 1]}))
    n = columns["n"]
    assert (n["missing"], n["distinct"], n["min"], n["max"], n["mean"]) == (1, 4, 1.0, 10.0, 3.6)
    assert n["std"] == pytest.approx(np.std([4, 1, 1, 2, 10], ddof=1))
    assert n["quantiles"] == {"0.25": 1.0, "0.5": 2.0, "0.75": 4.0}
    assert sum(n["histogram"]["counts"]) == 5
    assert len(n["histogram"]["edges"]) == len(n["histogram"]["counts"]) + 1
    assert "top_values" not in n
    assert columns["i"]["histogram"] == {"edges": [0.5, 1.5, 2.5, 3.5], "counts": [2, 1, 3]}
    assert columns["i"]["min"] == 1
    assert isinstance(columns["i"]["max"], int)


def test_other_columns_show_their_top_values(read):
    frame = pd.DataFrame({"c": [*"bbaac", None, *"defghijk"], "b": [True] * 9 + [False] * 5})
    columns, _ = read(frame)
    top = columns["c"]["top_values"]
    assert [value["value"] for value in top] == [*"abcdefghij"]
    assert top[0] == {"value": "a", "count": 2}
    assert (columns["c"]["missing"], columns["c"]["distinct"], columns["c"]["histogram"]) == (1, 11, None)
    assert columns["b"]["top_values"] == [{"value": True, "count": 9}, {"value": False, "count": 5}]
    assert "mean" not in columns["c"]


def test_times_have_a_range_top_values_and_a_histogram(read):
    columns, _ = read(pd.DataFrame({"d": ["2026-01-31", "2026-01-01", "2026-01-31", None]}))
    d = columns["d"]
    assert (d["min"], d["max"], d["missing"]) == ("2026-01-01T00:00:00Z", "2026-01-31T00:00:00Z", 1)
    assert d["top_values"][0] == {"value": "2026-01-31T00:00:00Z", "count": 2}
    assert (d["histogram"]["edges"][0], sum(d["histogram"]["counts"])) == ("2026-01-01T00:00:00Z", 3)


@pytest.mark.parametrize(
    "values", [[1e308, -1e308, 1.5], [5e-324, 0.0], [1.0, 1.0000000000000002], [7.5], [2**53 - 1.0]]
)
def test_extreme_numbers_give_a_profile_that_is_json(read, values):
    columns, _ = read(pd.DataFrame({"n": values}))
    assert (columns["n"]["min"], columns["n"]["max"]) == (min(values), max(values))


def test_a_column_without_values(read):
    columns, warnings = read(pd.DataFrame({"e": [None, None], "n": [1, 2]}))
    assert (columns["e"]["distinct"], columns["e"]["top_values"]) == (0, [])
    assert {("constant", "e"), ("mostly_missing", "e")} <= warnings


def test_what_a_column_is_warned_of(read):
    random = np.random.default_rng(0)
    n = 200
    frame = pd.DataFrame(
        {
            "same": ["x"] * n,
            "row": np.arange(n) + 5,
            "customer_id": random.permutation(n) * 977,
            "code": [f"k{i}" for i in random.permutation(n)],
            "town": random.choice([f"t{i}" for i in range(60)], n),
            "amount": random.permutation(n) * 977,
            "share": random.random(n),
            "rare": [None] * 120 + [1.5, 2.5] * 40,
        }
    )
    _, warnings = read(frame)
    assert warnings == {
        ("constant", "same"),
        ("id_like", "row"),
        ("id_like", "customer_id"),
        ("id_like", "code"),
        ("high_cardinality", "town"),
        ("rare_categories", "town"),
        ("mostly_missing", "rare"),
    }


def test_values_that_are_nearly_all_the_same_rare_or_far_out(read):
    random = np.random.default_rng(0)
    n = 1000
    frame = pd.DataFrame(
        {
            "flag": [True] * 995 + [False] * 5,
            "zeros": [0.0] * 995 + [1.0, 2, 3, 4, 5],
            "word": ["usual"] * 992 + ["other"] * 8,
            "two": ["a", "b"] * 500,
            "kind": [*"abcd"] * 249 + [*"wxyz"],
            "typo": np.append(random.normal(170, 10, n - 1), 17_000),
            "skewed": random.lognormal(0, 1, n),
            "half": [0.0, 1.0] * 500,
        }
    )
    _, warnings = read(frame)
    assert warnings == {
        ("nearly_constant", "flag"),
        ("nearly_constant", "zeros"),
        ("nearly_constant", "word"),
        ("rare_categories", "kind"),
        ("outliers", "typo"),
    }


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (["no"] * 960 + ["yes"] * 40, {"imbalanced_target"}),
        (["no"] * 800 + ["yes"] * 200, set()),
        (["no", "yes"] * 490 + [None] * 20, {"missing_target"}),
        ([f"c{i % 19}" for i in range(999)] + ["c19"], {"rare_categories", "imbalanced_target"}),
        (np.arange(1000) ** 1.5, set()),
    ],
)
def test_a_target_is_warned_of(read, y, expected):
    frame = pd.DataFrame({"y": y, "x": np.random.default_rng(0).random(1000)})
    _, warnings = read(frame, "y")
    assert {code for code, column in warnings if column == "y"} - {"rare_categories"} == expected - {"rare_categories"}
    assert not any("target" in code for code, _ in read(frame)[1])


def test_a_sample_is_a_table_like_the_whole(desk):
    frame = pd.DataFrame({"n": np.arange(1000), "c": [*"ab"] * 500})
    columns = desk.read(frame.to_csv(index=False)).columns
    found = profile(sample_table(desk.typed, 100), columns, "c")
    assert (found.rows, found.columns) == (100, 2)
    assert found == profile(sample_table(desk.typed, 100), columns, "c")
    assert found.column_profiles[0].min >= 0


def test_rows_that_repeat_are_counted_with_missing_values_equal(desk):
    content = b"a,b,c,d\n1,x,,true\n1,x,0,true\n1,x,,true\n-0.5,y,,\n1,x,,true\n1,,x,true\n"
    found = profile(desk.typed, desk.read(content).columns)
    [warning] = [warning for warning in found.warnings if warning.column is None]
    assert warning.code == "duplicate_rows"
    assert warning.message.startswith("2 of 6 rows")


def test_values_that_swap_columns_are_no_repeat(read):
    _, warnings = read(pd.DataFrame({"a": [1, 2], "b": [2, 1], "c": ["x", "y"], "d": ["y", "x"]}))
    assert warnings == set()


def leaks(warnings):
    return {column for code, column in warnings if code == "leaking"}


def test_a_column_that_gives_a_class_away_is_found(read):
    random = np.random.default_rng(0)
    n = 1000
    y = random.integers(0, 2, n)
    noisy = np.where(random.random(n) < 0.05, 1 - y, y)
    frame = pd.DataFrame(
        {
            "y": np.where(y, "yes", "no"),
            "copy": y,
            "renamed": np.where(y, "left", "stayed"),
            "only_known_after": np.where(y, random.random(n), np.nan),
            "threshold": y * 5 + random.random(n),
            "strong": noisy,
            "score": y + random.normal(size=n),
            "id": np.arange(n),
            "key": [f"k{i}" for i in range(n)],
            "pairs": [f"p{i // 2}" for i in range(n)],
        }
    )
    assert leaks(read(frame, "y")[1]) == {"copy", "renamed", "only_known_after", "threshold"}
    assert leaks(read(frame)[1]) == set()


def test_rare_classes_do_not_make_everything_a_leak(read):
    random = np.random.default_rng(1)
    n = 5000
    frame = pd.DataFrame({"y": (random.random(n) < 0.005).astype(int), "x": random.integers(0, 5, n)})
    assert leaks(read(frame, "y")[1]) == set()


def test_a_column_that_gives_a_number_away_is_found(read):
    random = np.random.default_rng(0)
    n = 1000
    y = random.gamma(2, 100, n)
    frame = pd.DataFrame(
        {
            "y": y,
            "in_dollars": y * 1.1,
            "log_reversed": -np.log(y),
            "strong": y + random.normal(0, 20, n),
            "decile": (pd.Series(y).rank(pct=True) * 10).astype(int).map(lambda d: f"d{d}"),
        }
    )
    assert leaks(read(frame, "y")[1]) == {"in_dollars", "log_reversed"}


def test_a_file_sorted_by_class_does_not_make_its_row_number_a_leak(read):
    frame = pd.DataFrame({"row": range(90), "y": [*"a" * 30, *"b" * 30, *"c" * 30]})
    assert leaks(read(frame, "y")[1]) == set()


def test_a_leak_is_found_in_a_sample_of_a_long_table(read, monkeypatch):
    monkeypatch.setattr(profile_module, "SAMPLE_ROWS", 500)
    y = np.random.default_rng(0).integers(0, 3, 5000)
    assert leaks(read(pd.DataFrame({"y": y, "copy": y * 2}), "y")[1]) == {"copy"}


def test_an_absent_target_is_refused(read):
    with pytest.raises(UnknownColumn, match="gone"):
        read(pd.DataFrame({"a": [1]}), "gone")


def test_columns_read_in_several_groups_give_the_same(desk, monkeypatch):
    random = np.random.default_rng(0)
    frame = pd.DataFrame({f"a.{i}": random.choice(["x", "y", None], 100) for i in range(7)})
    columns = desk.read(frame.to_csv(index=False)).columns
    whole = profile(desk.typed, columns, "a.0")
    monkeypatch.setattr(profile_module, "CELLS_AT_ONCE", 200)
    assert profile(desk.typed, columns, "a.0") == whole


@pytest.mark.parametrize(
    ("name", "target", "expected"),
    [
        (
            "titanic.csv",
            "survived",
            {
                ("leaking", "alive"),
                ("mostly_missing", "deck"),
                ("rare_categories", "deck"),
                ("duplicate_rows", None),
            },
        ),
        ("telco.csv", "Churn", {("id_like", "customerID")}),
        ("diamonds.csv", "price", DIAMONDS),
        ("diamonds.csv", "carat", DIAMONDS),
        ("elec.csv", "class", {("duplicate_rows", None), ("outliers", "nswprice"), ("outliers", "vicprice")}),
    ],
)
def test_public_tables(read, public_table, name, target, expected):
    assert read(public_table(name), target)[1] == expected


def test_missing_blanks_of_the_telco_table(read, public_table):
    columns, _ = read(public_table("telco.csv"))
    assert (columns["TotalCharges"]["missing"], columns["TotalCharges"]["max"]) == (11, 8684.8)
