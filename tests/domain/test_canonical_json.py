"""The form of JSON that hashes are taken of."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.domain.canonical_json import GREATEST, read, simplify, write

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters()), inner, max_size=4),
)


@given(VALUES)
def test_whatever_is_written_reads_back_to_the_same_text(value):
    text = write(simplify(value))
    assert write(read(text)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (GREATEST, "9007199254740991"),
        (GREATEST + 1, '"9007199254740992"'),
        (-GREATEST - 1, '"-9007199254740992"'),
        (10**40, '"1' + "0" * 40 + '"'),
        (1e17, "100000000000000000"),
        (1e300, "1e+300"),
        (5.0, "5"),
        (math.nan, "null"),
        (-math.inf, "null"),
        ("\ud800x", '"?x"'),
        ({2: (1, True)}, '{"2":[1,true]}'),
        ({"b": 1, "a": None}, '{"a":null,"b":1}'),
    ],
)
def test_how_it_is_written(value, text):
    assert write(simplify(value)) == text


@pytest.mark.parametrize("text", ["", "{", "NaN", "-Infinity", '{"a":Infinity}', "01", "'a'"])
def test_what_is_no_json_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011  any of its kinds
        read(text)
