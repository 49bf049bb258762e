"""Takes a JSON message apart while it comes: one long text of it goes to a file, the rest stays small."""

import json
import re
from typing import IO, Any

import orjson

from studio.errors import BackendDown, InvalidInput, MalformedBody, StudioError
from studio.legacy.service.base64_file import Base64File

MAX_REST = 64 << 10
UP_TO_QUOTE = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
ESCAPE_CUT_SHORT = re.compile(r"\\u[0-9a-fA-F]{0,3}\Z")


class MessageReader:
    """Reads one JSON object, one of whose members is a file in Base64.

    A fault is told at the end, as the rest of the message must be read in any case. Used by one thread at a time.
    """

    def __init__(self, member: str, file: IO[bytes]) -> None:
        """
        Args:
            member: Name of that member, at the top of the object; where it comes twice, the last one counts.
            file: Where its bytes go.
        """
        self._member, self._sink = member, file
        self._file: Base64File | None = None  # while inside that member's text
        self._fault: StudioError | None = None
        self._rest: list[str] = []
        self._rest_chars = 0
        self._depth = 0
        self._text: list[str] | None = None  # the characters of the text being read, None outside of texts
        self._is_escaped = False
        self._key: str | None = None  # of the member whose value comes next
        self._carry = ""

    def take(self, text: str | bytes) -> None:
        """Read the next part."""
        if self._fault is not None:
            return
        try:
            if isinstance(text, bytes):
                raise MalformedBody("The message must be a text message, not a binary one.")
            text, self._carry, place = self._carry + text, "", 0
            while place < len(text):
                place = self._read(text, place) if self._file is None else self._pass_on(text, place)
        except StudioError as error:
            self._fault = error
        except OSError as error:
            self._fault = BackendDown(f"The file cannot be kept here: {error.strerror}.", retry_after_s=60)

    def finish(self) -> Any:
        """What the message says, the file's member being an empty text; the file is at its beginning.

        Raises:
            MalformedBody: It is not JSON.
            InvalidInput: The file is not Base64, or the rest is too long.
            BackendDown: The disk is full.
        """
        if self._fault is not None:
            raise self._fault
        try:
            return orjson.loads("".join(self._rest))
        except orjson.JSONDecodeError as error:
            raise MalformedBody(f"The message is not JSON: {error.msg}.") from error

    def _read(self, text: str, place: int) -> int:
        """Read outside of the file up to its beginning, or all; returns where to go on."""
        for end in range(place, len(text)):
            if self._step(text[end]):
                self._keep(text[place : end + 1])
                self._file = Base64File(self._sink)
                return end + 1
        self._keep(text[place:])
        return len(text)

    def _keep(self, part: str) -> None:
        self._rest.append(part)
        self._rest_chars += len(part)
        if self._rest_chars > MAX_REST:
            raise InvalidInput(f"Beside {self._member} a message may have {MAX_REST} characters.")

    def _step(self, char: str) -> bool:
        """Follow one character; True when it opens the file's text."""
        if self._text is not None:
            self._go_on_in_text(char)
        elif char == '"':
            if self._depth == 1 and self._key == self._member:
                return True
            self._text = []
        elif char in "{[":
            self._depth += 1
            self._key = None
        elif char in "}]":
            self._depth -= 1
        elif char == "," and self._depth == 1:
            self._key = None
        return False

    def _go_on_in_text(self, char: str) -> None:
        assert self._text is not None
        if char == '"' and not self._is_escaped:
            if self._depth == 1 and self._key is None:
                self._key = _unescape("".join(self._text))
            self._text = None
            return
        self._text.append(char)
        self._is_escaped = char == "\\" and not self._is_escaped

    def _pass_on(self, text: str, place: int) -> int:
        """Pass the file on up to its end, or all there is; returns where to go on."""
        assert self._file is not None
        found = UP_TO_QUOTE.match(text, place)
        end = found.end() if found else place
        part = text[place:end]
        if end < len(text) and text[end] == '"':
            self._file.write(_unescape(part) if "\\" in part else part)
            self._file.finish()
            self._file = None
            self._keep('"')
            return end + 1
        cut = ESCAPE_CUT_SHORT.search(part)
        whole = part[: cut.start()] if cut else part
        self._carry = text[place + len(whole) :]
        self._file.write(_unescape(whole) if "\\" in whole else whole)
        return len(text)


def _unescape(text: str) -> str:
    """A JSON text without its quotes as the text it stands for."""
    try:
        unescaped: str = json.loads(f'"{text}"', strict=False)
    except json.JSONDecodeError as error:
        raise MalformedBody(f"The message is not JSON: {error.msg}.") from error
    return unescaped
