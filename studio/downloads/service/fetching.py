"""Hands out the file a link stands for."""

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from studio.backends.stores import Stores
from studio.downloads.service.links import read_token
from studio.errors import ArtifactNotFound, BadKey, FileMissing

security = logging.getLogger("studio.security")

CHUNK_BYTES = 1 << 18


@dataclass(frozen=True)
class FetchedFile:
    """A file to be sent; its chunks are read while it is sent, from the very file that was checked."""

    filename: str
    size_bytes: int
    sha256: str
    chunks: Iterator[bytes]


def fetch_file(stores: Stores, token: str) -> FetchedFile:
    """The file of a link, once its content was found to be what the link was made for.

    Args:
        stores: Open stores of any organization: the token alone says what may be had.
        token: The last part of the link's path.

    Raises:
        LinkInvalid: The token was not made here, or was changed.
        LinkExpired: Its time is over.
        ArtifactNotFound: The file was deleted since, or is another one now.
    """
    linked = read_token(stores.config, token, stores.now())
    try:
        file = stores.files.open(linked.key)
    except (FileMissing, BadKey) as error:
        raise ArtifactNotFound("The file of this link was deleted since.") from error
    digest, size_bytes = hashlib.sha256(), 0
    for chunk in _pieces(file):
        digest.update(chunk)
        size_bytes += len(chunk)
    found = digest.hexdigest()
    if found != linked.sha256:
        file.close()
        security.error("file changed", extra={"event": "artifact_changed", "key": linked.key})
        raise ArtifactNotFound("The file of this link was replaced since; ask for a new link.")
    file.seek(0)
    return FetchedFile(linked.filename, size_bytes, found, _sent(file))


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def _sent(file: BinaryIO) -> Iterator[bytes]:
    with file:
        yield from _pieces(file)
