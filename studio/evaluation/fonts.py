"""Fonts for what the drawings' own font, DejaVu Sans, lacks: Chinese, Japanese, Korean, Devanagari, Thai and more.

None is brought along, as those fonts weigh more than the service: the machine's are looked for when a label needs one,
and found without a restart. What no font has is written as escapes, so that labels can still be told apart, and the
log says once per character what to install.
"""

import functools
import logging
import threading
import time
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from matplotlib import font_manager, ft2font
from matplotlib.figure import Figure
from matplotlib.text import Text

logger = logging.getLogger(__name__)
logging.getLogger("matplotlib.font_manager").setLevel(
    logging.ERROR
)  # it warns of titles that are not bold in all fonts

OWN: Final = "DejaVu Sans"
# Families that go well with it, best first, by words in their names; others follow, upright and not bold ones first.
PREFERRED: Final = (
    "noto sans cjk",
    "source han sans",
    "noto sans",
    "droid sans fallback",
    "wenquanyi",
    "gothic",
    "sans",
)
LONGEST_TEXT: Final = 100  # of one that is no label
LOOK_AGAIN_S: Final = 60.0  # for what no font had
PLAIN: Final = frozenset({"regular", "book", "medium", "normal", "roman", "demilight", ""})

_looking = threading.Lock()
_found: dict[str, str] = {}  # character -> family that has it
_missed: dict[str, float] = {}  # character that no font has -> when that was found, on the monotonic clock


def prepare_labels(figure: Figure) -> None:
    """Let a figure that becomes an image be drawn with fonts that have what is written in it.

    What labels ticks is written anew when it is drawn, and must have gone through ``write_drawable`` before.
    """
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    families = find_families(_lacking(text.get_text() for text in texts))
    for text in texts:
        if _lacking([text.get_text()]):
            text.set_text(*write_drawable([text.get_text()], longest=LONGEST_TEXT))
            text.set_fontfamily([OWN, *families])


def find_families(characters: Iterable[str]) -> list[str]:
    """Families of this machine's fonts that have these characters, as far as there are any; they can be drawn with."""
    with _looking:
        long_ago = time.monotonic() - LOOK_AGAIN_S
        signs = sorted(characters)
        wanted = {sign for sign in signs if sign not in _found and _missed.get(sign, long_ago) <= long_ago}
        if wanted:
            _look_for(wanted)
        return list(dict.fromkeys(_found[sign] for sign in signs if sign in _found))


def write_drawable(labels: Iterable[str], *, longest: int = 24) -> list[str]:
    """Labels with escapes, such as ``\\u65e5``, for what no font has.

    Args:
        labels: As they are.
        longest: Characters beyond which the middle of an escaped one is left out.
    """
    labels = list(labels)
    lacking = _lacking(labels)
    find_families(lacking)
    return [_escape(label, lacking - _found.keys(), longest) for label in labels]


def _escape(label: str, signs: set[str], longest: int) -> str:
    pieces = [sign.encode("unicode_escape").decode() if sign in signs else sign for sign in label]
    if signs.isdisjoint(label) or len("".join(pieces)) <= longest:
        return "".join(pieces)
    n_kept = (longest - 1) // (2 * max(map(len, pieces)))  # at either end
    return "".join([*pieces[:n_kept], "…", *pieces[-n_kept:]])


def _look_for(wanted: set[str]) -> None:
    left = set(wanted)
    for path, family in _by_preference(font_manager.findSystemFonts()):
        characters = ft2font.FT2Font(path).get_charmap()
        held = {sign for sign in left if ord(sign) in characters}
        if held:
            font_manager.fontManager.addfont(path)  # the list it keeps on disk may be older than the file
            _found.update(dict.fromkeys(held, family))
            left -= held
        if not left:
            return
    news = sorted(left - _missed.keys())
    _missed.update(dict.fromkeys(left, time.monotonic()))
    if news:
        logger.warning(
            "no font of this machine has characters of a label: images show them as escapes; install one, such as "
            "Debian's fonts-noto-cjk or fonts-droid-fallback",
            extra={"characters": "".join(news[:20])},
        )


def _by_preference(files: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Fonts with outlines and their families."""
    fonts = []
    for path in sorted(files):
        try:
            font = ft2font.FT2Font(path)
        except (OSError, RuntimeError):  # no font, or none that can be read
            continue
        if ft2font.FaceFlags.SCALABLE in font.face_flags and Path(path).suffix.lower() in (".ttf", ".otf", ".ttc"):
            name = font.family_name.casefold()
            liked = next((place for place, words in enumerate(PREFERRED) if words in name), len(PREFERRED))
            fonts.append((font.style_name.casefold() not in PLAIN, liked, path, font.family_name))
    for _, _, path, family in sorted(fonts):
        yield path, family


def _lacking(texts: Iterable[str]) -> set[str]:
    """Characters with a shape that the drawings' own font lacks."""
    signs = {sign for text in texts for sign in text if unicodedata.category(sign)[0] not in "CZ"}
    return {sign for sign in signs if ord(sign) not in _own_characters()}


@functools.cache
def _own_characters() -> frozenset[int]:
    return frozenset(ft2font.FT2Font(font_manager.findfont(OWN)).get_charmap())
