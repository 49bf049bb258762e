"""The one door to every kind of source."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from studio.backends.sources.files import open_file
from studio.backends.sources.objects import download_object
from studio.backends.sources.queries import run_query
from studio.config import Config
from studio.domain.datasets import SourceType


@dataclass(frozen=True)
class SourceRequest:
    """A source as a request names it.

    Attributes:
        type: ``file``, ``s3`` or ``sql``.
        uri: ``file:///folder/name``, ``s3://bucket/key``, ``postgresql://host[:port]/database``.
        query: One SELECT; ``sql`` only.
        credentials_ref: Name of a credential set; must be given for ``sql``.
    """

    type: SourceType
    uri: str
    query: str | None = None
    credentials_ref: str | None = None


@contextlib.contextmanager
def open_source(config: Config, organization: str, wanted: SourceRequest, folder: Path) -> Iterator[Path]:
    """The content of a source as a local file, for the length of the block.

    Args:
        config: The settings, which say what is allowed and how many bytes.
        organization: Who asks.
        wanted: The source.
        folder: An own, empty folder for what has to be downloaded.

    Raises:
        SourceNotAllowed: The settings do not allow it, or the URI holds credentials.
        SourceUnreachable: It does not answer, or holds nothing at that address.
        InvalidInput: The database refuses the query.
        TooLarge: It has more bytes than a dataset may.
    """
    target = folder / "received"
    if wanted.type is SourceType.FILE:
        with open_file(config, organization, wanted.uri) as path:
            yield path
    elif wanted.type is SourceType.S3:
        download_object(config, organization, wanted.uri, wanted.credentials_ref, target)
        yield target
    else:
        run_query(config, organization, wanted.uri, wanted.query or "", wanted.credentials_ref or "", target)
        yield target
