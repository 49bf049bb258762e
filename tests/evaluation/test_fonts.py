"""Labels in scripts that the drawings' own font lacks, with and without a font of the machine for them."""

import json
import logging
import subprocess
import sys

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

STORY = """
import hashlib, json, sys
from studio.evaluation import fonts
from studio.evaluation.matrix_plots import draw_confusion_matrix
from tests.evaluation.test_plots import make_matrix, texts_of
labels = sys.argv[1:]
matrix = make_matrix(labels)
image = draw_confusion_matrix(matrix, "png", title=labels[0])
assert image == draw_confusion_matrix(matrix, "png", title=labels[0])
assert set(labels) <= set(texts_of(draw_confusion_matrix(matrix, "svg")))
print(json.dumps([fonts.find_families(set("".join(labels)) - {"a"}), fonts.write_drawable(labels)]))
print(hashlib.sha256(image).hexdigest())
"""


def make_font(path, characters, *, family="Toy Gothic", style="Regular"):
    """A font in which each of these characters is a square."""
    pen = TTGlyphPen(None)
    for number, point in enumerate(((100, 0), (100, 800), (900, 800), (900, 0))):
        (pen.lineTo if number else pen.moveTo)(point)
    pen.closePath()
    names = [".notdef", *(f"g{number}" for number in range(len(characters)))]
    font = FontBuilder(1000, isTTF=True)
    font.setupGlyphOrder(names)
    font.setupCharacterMap({ord(sign): name for sign, name in zip(characters, names[1:], strict=True)})
    font.setupGlyf(dict.fromkeys(names, pen.glyph()))
    font.setupHorizontalMetrics(dict.fromkeys(names, (1000, 100)))
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({"familyName": family, "styleName": style})
    font.setupOS2()
    font.setupPost()
    path.parent.mkdir(parents=True, exist_ok=True)
    font.save(path)


@pytest.fixture
def draw(tmp_path):
    """Draws labels in a process of its own, on a machine with the fonts of ``tmp_path`` alone."""

    def draw(*labels):
        folders = [str(tmp_path / "share")]
        only = f"from matplotlib import font_manager as f; f.X11FontDirectories = {folders}; "
        only += "f._get_fontconfig_fonts = list"
        environment = {"MPLCONFIGDIR": str(tmp_path / "cache"), "PYTHONPATH": ".", "PATH": "/usr/bin:/bin"}
        command = [sys.executable, "-c", f"{only}\n{STORY}", *labels]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        told, digest = done.stdout.splitlines()
        return *json.loads(told), digest, done.stderr

    return draw


def test_a_font_of_the_machine_is_found_also_after_the_list_of_fonts_was_kept(draw, tmp_path):
    families, labels, without, told = draw("日本", "a")
    assert (families, labels) == ([], ["\\u65e5\\u672c", "a"])
    assert told.count("no font of this machine") == 1
    make_font(tmp_path / "share" / "fonts" / "toy.ttf", "日本")

    families, labels, drawn, told = draw("日本", "a")

    assert (families, labels) == (["Toy Gothic"], ["日本", "a"])
    assert drawn != without
    assert told == ""


def test_each_script_has_its_font_and_plain_ones_go_first(draw, tmp_path):
    make_font(tmp_path / "share" / "a.ttf", "日", family="A Sans", style="Bold")
    make_font(tmp_path / "share" / "b.ttf", "日", family="B Sans")
    make_font(tmp_path / "share" / "c.ttf", "क", family="C Serif")
    (tmp_path / "share" / "broken.ttf").write_bytes(b"no font")

    families, labels, _, told = draw("日", "क", "日क한")

    assert families == ["C Serif", "B Sans"]
    assert labels == ["日", "क", "日क\\ud55c"]
    assert "no font" in told


def test_a_long_label_that_no_font_has_keeps_its_ends(draw):
    _, [first, second], _, _ = draw("日本語の長い名前", "日本語の長い題名")
    assert first == "\\u65e5…\\u524d"
    assert second == "\\u65e5…\\u540d"


def test_what_the_own_font_has_needs_no_other():
    from studio.evaluation.fonts import find_families, write_drawable

    assert write_drawable(["on_time é Ж ع 😀 €\n"]) == ["on_time é Ж ع 😀 €\n"]
    assert find_families(()) == []
    assert logging.getLogger("matplotlib.font_manager").level == logging.ERROR
