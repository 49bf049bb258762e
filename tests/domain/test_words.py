"""What a text can be found by, and what typed words look for."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.domain.words import LONGEST, wanted_words, words_of

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


def is_found(text, typed):
    """Whether a text holds all that is typed."""
    held = words_of(text)
    return all(
        word.text in held if word.is_whole else any(other.startswith(word.text) for other in held)
        for word in wanted_words(typed)
    )


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("Late delivery risk", "LATE risk"),
        ("Late delivery risk", "del"),
        ("Late delivery risk", "late, delivery!"),
        ("late-delivery_v2.1 (EU)", "delivery eu"),
        ("late-delivery_v2.1 (EU)", "late-delivery_v2.1"),
        ("deliveryRisk2", "risk"),
        ("deliveryRisk2", "deliveryrisk2"),
        ("XMLParser", "parser"),
        ("model00042", "00042"),
        ("Größe, Café", "grosse CAFE"),
        ("Größe, Café", "GRÖSSE café"),
        ("İstanbul", "istanbul"),
        ("ﬁne ｗｉｄｅ", "fine wide"),
        ("配送遅延リスク", "遅延"),
        ("配送遅延リスク", "送"),
        ("ส่งช้า", "ช้า"),
        ("Truck 🚚❤️", "🚚"),
        ("Truck 🚚❤️", "❤"),
        ("100% sure", "%"),
        ("100% sure", "100%"),
        ("co\u00adoperate", "cooperate"),
        ('say "hello"', '"hello"'),
        ("ﷺ", "الله"),
        ("anything", " \t "),
    ],
)
def test_what_finds_a_text(text, typed):
    assert is_found(text, typed)


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("Late delivery", "elivery"),
        ("Late delivery", "late OR risk"),
        ("Late delivery", "lat*x"),
        ("Late delivery", "_"),
        ("Late delivery", "~"),
        ("Late delivery", "late 🚚"),
        ("配送遅延", "延配"),
        ("100", "00"),
    ],
)
def test_what_does_not(text, typed):
    assert not is_found(text, typed)


@given(TEXTS)
def test_every_text_is_found_by_itself(text):
    assert is_found(text, text)
    assert is_found(text, text.upper())


def test_every_character_is_found_by_its_other_case():
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        for other in (character.upper(), character.lower(), character.title()):
            if other != character and not 0xD800 <= code < 0xE000:
                assert is_found(character, other), f"U+{code:04X}"


@given(TEXTS)
def test_words_have_no_white_space_and_an_end(text):
    words = words_of(text)
    assert len(words) == len(set(words))
    assert not [word for word in words if not word or len(word) > LONGEST or len(word.split()) != 1 or "\0" in word]
    assert not [word for word in words if word.startswith("~") and word != "~"]


@given(TEXTS)
def test_nothing_typed_looks_for_what_begins_with_a_tilde(text):
    assert not [word for word in wanted_words(text) if word.text.startswith("~") and not word.is_whole]


def test_long_words_are_equal_where_they_begin_alike():
    assert is_found("x" * 2000, "x" * 200)
    assert not is_found("x" * 63, "x" * 64)
