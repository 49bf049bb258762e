"""Messages taken apart while they come, however they are cut."""

import base64
import io
import json
import os

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.errors import BackendDown, InvalidInput, MalformedBody
from studio.legacy.service.messages import MAX_REST, MessageReader

CONTENT = os.urandom(3000)
ENCODED = base64.b64encode(CONTENT).decode()


def read(text, cut=1000):
    """What a message says and its file's bytes, taken in parts of so many characters."""
    file = io.BytesIO()
    reader = MessageReader("file_data", file)
    for start in range(0, len(text), cut):
        reader.take(text[start : start + cut])
    return reader.finish(), file.read()


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 7, 64, 4001, 10_000])
@pytest.mark.parametrize(
    "encode",
    [
        json.dumps,
        lambda said: json.dumps(said, indent=2),
        lambda said: json.dumps(said).replace("/", "\\/"),  # as PHP writes it
        lambda said: json.dumps(said).replace("+", "\\u002B"),  # as .NET writes it
        lambda said: "".join(f"\\u{ord(char):04x}" if char in "fA" else char for char in json.dumps(said)),
    ],
    ids=["plain", "indented", "slashes", "pluses", "letters"],
)
def test_a_message_is_read_however_it_is_written_and_cut(encode, cut):
    said = {"action": 'a"\\b {[', "file_data": ENCODED, "nested": {"file_data": "x", "list": [1, "]"]}, "last": "🙂"}
    assert read(encode(said), cut) == ({**said, "file_data": ""}, CONTENT)


@given(
    content=st.binary(max_size=200),
    before=st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.integers() | st.lists(st.text()), max_size=3),
    after=st.dictionaries(st.text(max_size=5), st.recursive(st.none(), st.lists, max_leaves=3), max_size=3),
    cut=st.integers(1, 40),
    is_ascii=st.booleans(),
)
@settings(deadline=None, max_examples=200)
def test_any_message_is_read_as_a_whole_would_be(content, before, after, cut, is_ascii):
    said = {**before, "file_data": base64.b64encode(content).decode(), **after}
    text = json.dumps(said, ensure_ascii=is_ascii)
    assert read(text, cut) == ({**orjson.loads(text), "file_data": ""}, content)


def test_line_ends_in_base64_count_for_nothing():
    assert read(json.dumps({"file_data": base64.encodebytes(CONTENT).decode()}))[1] == CONTENT


def test_a_member_that_comes_twice_counts_as_it_comes_last():
    text = f'{{"file_data": "{base64.b64encode(b"x" * 999).decode()}", "file_data": "{ENCODED}"}}'
    assert read(text) == ({"file_data": ""}, CONTENT)


@pytest.mark.parametrize("value", ["null", "17", "[]", '{"file_data": "QUJD"}'])
def test_a_member_that_is_no_text_is_left_to_whoever_checks_it(value):
    assert read(f'{{"file_data": {value}}}') == ({"file_data": json.loads(value)}, b"")


@pytest.mark.parametrize(
    ("encoded", "fault"),
    [
        ("QUJ", "breaks off"),
        ("QUJD!UJD", "holds '!' at position 5"),
        ("QUJDQUJD-_", "holds '-' at position 9"),
        ("data:application/octet-stream;base64,QUJD", "holds ':' at position 5"),
        ("QQ==QUJD", "padded wrongly"),
        ("QQ=a", "padded wrongly"),
        ("ü" * 8, "holds 'ü' at position 1"),
        ("QQ==" + "    " * 400 + "QUJD", "padded wrongly"),
    ],
)
@pytest.mark.parametrize("cut", [10_000, 4, 1])
def test_what_is_not_base64_is_refused_with_the_place(encoded, fault, cut):
    with pytest.raises(InvalidInput) as refusal:
        read(json.dumps({"file_data": encoded}, ensure_ascii=False), cut)
    found = str(refusal.value)
    assert fault in found or (fault == "padded wrongly" and "goes on after its padding" in found)


@pytest.mark.parametrize(
    "text",
    ["", "hello", "{", '{"file_data": "QUJD', '{"file_data": "QUJD"', '{"file_data" "QUJD"}', '{"a\\x": 1}', "{}}"],
)
def test_what_is_not_json_is_malformed(text):
    with pytest.raises(MalformedBody):
        read(text)


def test_bytes_are_no_text():
    reader = MessageReader("file_data", io.BytesIO())
    reader.take(b"{}")
    with pytest.raises(MalformedBody, match="text message"):
        reader.finish()


@pytest.mark.parametrize("beyond", [0, 1])
def test_the_rest_of_a_message_stays_small(beyond):
    frame = '{"file_data": "", "name": ""}'
    text = frame.replace('"name": "', '"name": "' + "x" * (MAX_REST + beyond - len(frame)))
    if not beyond:
        assert len(read(text)[0]["name"]) == MAX_REST - len(frame)
        return
    with pytest.raises(InvalidInput, match=str(MAX_REST)):
        read(text)


def test_a_full_disk_is_told():
    with open("/dev/full", "wb+", buffering=0) as full:
        reader = MessageReader("file_data", _Unseekable(full))
        reader.take(json.dumps({"file_data": ENCODED}))
        with pytest.raises(BackendDown, match="No space left"):
            reader.finish()


class _Unseekable:
    """A file that is always full."""

    def __init__(self, file):
        self.write, self.seek, self.truncate = file.write, lambda *_: 0, lambda *_: 0
