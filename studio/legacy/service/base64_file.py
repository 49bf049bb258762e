"""Base64 (RFC 4648, section 4) that comes in parts, decoded to a file as it comes."""

import binascii
import re
from typing import IO

from studio.errors import InvalidInput

FOREIGN = re.compile(r"[^A-Za-z0-9+/=]")
GROUP = 4  # characters that stand for three bytes


class Base64File:
    """A file that is written in Base64. White space between the characters, such as line ends, counts for nothing."""

    def __init__(self, file: IO[bytes]) -> None:
        """
        Args:
            file: Where the bytes go; emptied.
        """
        file.seek(0)
        file.truncate()
        self._file, self._carry, self._taken = file, "", 0
        self._is_padded = False

    def write(self, text: str) -> None:
        """Decode a part.

        Raises:
            InvalidInput: It is not Base64; names the first wrong character and its place.
            OSError: The file cannot be written.
        """
        text = self._carry + "".join(text.split())
        whole = len(text) - len(text) % GROUP
        self._carry = text[whole:]
        if whole == 0:
            return
        if self._is_padded:
            raise self._refusal(text, "goes on after its padding")
        try:
            data = binascii.a2b_base64(text[:whole], strict_mode=True)
        except (binascii.Error, ValueError) as error:
            raise self._refusal(text, "is padded wrongly") from error
        self._is_padded = text[whole - 1] == "="
        self._taken += whole
        self._file.write(data)

    def finish(self) -> None:
        """Note that this was all; the file is at its beginning then.

        Raises:
            InvalidInput: The last group is not whole.
            OSError: The file cannot be written.
        """
        if self._carry:
            raise self._refusal(self._carry, f"breaks off: its length must be a multiple of {GROUP}")
        self._file.seek(0)

    def _refusal(self, text: str, fault: str) -> InvalidInput:
        foreign = FOREIGN.search(text)
        if foreign is not None:
            fault = f"holds {foreign[0]!r} at position {self._taken + foreign.start() + 1}"
        return InvalidInput(f"This is not Base64 as of RFC 4648, section 4: it {fault}.")
