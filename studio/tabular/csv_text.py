"""Whether the bytes of a file are text at all: UTF-8 without NUL bytes."""

import codecs
from pathlib import Path

from studio.errors import DatasetUnreadable

CHUNK_BYTES = 1 << 20


def check_text(path: Path) -> None:
    """Read the whole file once and refuse what is not UTF-8 text; a byte order mark is fine.

    Raises:
        DatasetUnreadable: With ``line`` (from 1, in lines of the file) and ``byte`` (from 1, in that line).
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            held_back = len(decoder.getstate()[0])
            if (nul := chunk.find(b"\0")) >= 0:
                _refuse(path, offset + nul, "holds a NUL byte; is this text, and in UTF-8?")
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                _refuse_encoding(path, offset - held_back + error.start, error)
            offset += len(chunk)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        _refuse_encoding(path, offset - len(error.object), error)


def _refuse_encoding(path: Path, offset: int, error: UnicodeDecodeError) -> None:
    _refuse(path, offset, f"(0x{error.object[error.start]:02X}) is not UTF-8; save the file as UTF-8")


def _refuse(path: Path, offset: int, fault: str) -> None:
    """Raise with the line and the byte in it that a place in the file falls on."""
    line, byte = line_and_byte(path, offset)
    raise DatasetUnreadable(f"Line {line}, byte {byte} {fault}.", line=line, byte=byte)


def line_and_byte(path: Path, offset: int) -> tuple[int, int]:
    """Line and byte in that line, both from 1, of a place in the file; LF, CRLF and CR end lines."""
    breaks, line_start, position, last = 0, 0, 0, b""
    with path.open("rb") as file:
        while position < offset:
            chunk = file.read(min(CHUNK_BYTES, offset - position))
            breaks += chunk.count(b"\n") + chunk.count(b"\r") - chunk.count(b"\r\n")
            if last == b"\r" and chunk.startswith(b"\n"):
                breaks -= 1
            newest = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
            if newest >= 0:
                line_start = position + newest + 1
            last = chunk[-1:]
            position += len(chunk)
    return breaks + 1, offset - line_start + 1
