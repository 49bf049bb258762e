"""Reading from S3: ranges, a seekable file on top of them, and what its errors mean."""

import contextlib
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from urllib3.exceptions import HTTPError

from studio.errors import BackendDown, FileMissing

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

READ_ATTEMPTS = 4
MISSING = ("NoSuchKey", "404", "NotFound")
BROKEN_OFF = (IncompleteReadError, HTTPClientError, HTTPError)


@contextlib.contextmanager
def said_plainly(key: str) -> Iterator[None]:
    """Turn what S3 and its client say into errors of ours.

    Args:
        key: The file it is about.

    Raises:
        FileMissing: It is not there.
        BackendDown: Anything else went wrong; the message says what, without addresses or keys.
    """
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in MISSING:
            raise FileMissing(f"There is no file {key!r}.", key=key) from error
        raise BackendDown(f"The file store refused: {code or 'no reason given'}.") from error
    except (BotoCoreError, HTTPError) as error:
        raise BackendDown(f"The file store does not answer ({type(error).__name__}).") from error


def read_range(client: Any, target: dict[str, str], start: int, size_bytes: int) -> bytes:
    """Fetch a part of one file, and fetch it again where the connection breaks off.

    Args:
        client: S3 client of boto3.
        target: Bucket and Key, and IfMatch to be told when the file has been replaced since.
        start: First byte.
        size_bytes: How many, at least 1, within the file.

    Returns:
        Exactly that many bytes.
    """
    wanted = f"bytes={start}-{start + size_bytes - 1}"
    for attempt in range(READ_ATTEMPTS):
        body = client.get_object(**target, Range=wanted)["Body"]
        try:
            content = body.read()
        except BROKEN_OFF:  # botocore repeats calls, not the reading of their bodies
            if attempt == READ_ATTEMPTS - 1:
                raise
        else:
            if len(content) != size_bytes:
                raise BackendDown(f"The file store sent {len(content)} bytes where {size_bytes} were asked for.")
            return bytes(content)
    raise AssertionError("unreachable")


class RangedFile(io.RawIOBase):
    """One file of a bucket, seekable; every read is one range of it, all of the same state."""

    def __init__(self, client: Any, bucket: str, name: str, key: str) -> None:
        """Look it up.

        Args:
            client: S3 client of boto3.
            bucket: Its bucket.
            name: Its full name there.
            key: Its name in messages.

        Raises:
            FileMissing: It is not there.
        """
        super().__init__()
        with said_plainly(key):
            head = client.head_object(Bucket=bucket, Key=name)
        self._client, self._key = client, key
        self._target = {"Bucket": bucket, "Key": name, "IfMatch": head["ETag"]}
        self._size_bytes, self._position = int(head["ContentLength"]), 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """The position, in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; nothing is fetched."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size_bytes}[whence]
        if start + offset < 0:
            raise ValueError(f"negative seek position {start + offset}")
        self._position = start + offset
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Fetch up to so many bytes; -1: the rest."""
        left = max(self._size_bytes - self._position, 0)
        wanted = left if size is None or size < 0 else min(size, left)
        if not wanted:
            return b""
        with said_plainly(self._key):
            content = read_range(self._client, self._target, self._position, wanted)
        self._position += wanted
        return content

    def readall(self) -> bytes:
        """Fetch the rest at once; the inherited way takes it in pieces of 8 KB, each a call."""
        return self.read(-1)

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Fetch into a buffer."""
        view = memoryview(buffer).cast("B")
        content = self.read(len(view))
        view[: len(content)] = content
        return len(content)
