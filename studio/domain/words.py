"""The words of a text, and of what is typed to find it; the same on every database.

A word is a run of letters, digits and their marks, without regard to case and accents, or one symbol such as an emoji.
Scripts that put no blank between words, Chinese and Japanese for instance, give every character and every pair of
neighbours, as Lucene's CJK analyzer does. ``deliveryRisk2`` is also found by its parts: ``delivery``, ``risk``, ``2``.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

LONGEST = 64  # characters; longer words count as equal where they begin alike
ACCENTS = re.compile("[\u0300-\u036f]")
UNSPACED = re.compile(  # Thai, Lao, Myanmar, Khmer, kana, ideographs
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)
BORDERS = re.compile(r"(?<=\d)(?=\D)|(?<=\D)(?=\d)|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True)
class Word:
    """One thing a text must hold.

    Attributes:
        text: A word, or how one begins.
        is_whole: Whether it must be the whole word.
    """

    text: str
    is_whole: bool = False


class _Kind(Enum):
    LETTER = auto()
    UNSPACED = auto()
    SYMBOL = auto()
    PUNCTUATION = auto()


def words_of(text: str) -> list[str]:
    """Every word a text can be found by, each once, in order; none of them holds white space.

    Args:
        text: Any text.
    """
    found: dict[str, None] = {}
    for kind, run in _runs(fold(text)):
        pairs = (one + other for one, other in itertools.pairwise(run)) if kind is _Kind.UNSPACED else ()
        found.update(dict.fromkeys([run[:LONGEST]] if kind is _Kind.LETTER else [*run, *pairs]))
    for kind, run in _runs(text):
        if kind is _Kind.LETTER:
            parts = (word for part in BORDERS.split(run) for word in fold(part).split())
            found.update(dict.fromkeys(part[:LONGEST] for part in parts))
    return list(found)


def wanted_words(typed: str) -> list[Word]:
    """What must all occur in a text that is looked for, each once.

    Letters and digits find the words that begin with them. Punctuation counts only where it stands alone between
    blanks: ``late, delivery`` looks for two words, ``%`` for the sign.

    Args:
        typed: What somebody typed.
    """
    found: dict[Word, None] = {}
    for piece in fold(typed).split():
        runs = list(_runs(piece))
        counts = [(kind, run) for kind, run in runs if kind is not _Kind.PUNCTUATION] or runs
        found.update(dict.fromkeys(word for kind, run in counts for word in _wanted(kind, run)))
    return list(found)


def fold(text: str) -> str:
    """A text without regard to case, accents and the ways to write the same character."""
    plain = unicodedata.normalize(
        "NFKD", unicodedata.normalize("NFKD", text).upper().casefold()
    )  # of the dotless i too
    return unicodedata.normalize("NFC", ACCENTS.sub("", plain))


def _wanted(kind: _Kind, run: str) -> Iterator[Word]:
    if kind is _Kind.LETTER:
        yield Word(run[:LONGEST])
    elif kind is _Kind.UNSPACED and len(run) > 1:
        yield from (Word(one + other, is_whole=True) for one, other in itertools.pairwise(run))
    else:
        yield from (Word(character, is_whole=True) for character in run)


def _runs(text: str) -> Iterator[tuple[_Kind, str]]:
    """Neighbours of one kind; what is no character of its own, such as a soft hyphen, is passed over."""
    seen = [character for character in text if not _is_nothing(character)]
    for kind, characters in itertools.groupby(seen, _kind):
        if kind is not None:
            yield kind, "".join(characters)


def _is_nothing(character: str) -> bool:
    return unicodedata.category(character) == "Cf" or "\ufe00" <= character <= "\ufe0f"


def _kind(character: str) -> _Kind | None:
    """What a character is to a search; None for white space and control characters."""
    if UNSPACED.match(character):
        return _Kind.UNSPACED
    kinds = {"L": _Kind.LETTER, "N": _Kind.LETTER, "M": _Kind.LETTER, "S": _Kind.SYMBOL, "P": _Kind.PUNCTUATION}
    category = unicodedata.category(character)
    unknown = _Kind.SYMBOL if category in ("Cn", "Co") else None  # newer emoji than this Python knows
    return kinds.get(category[0], unknown)
