"""Files below the folders an administrator opened."""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from studio.backends.sources.refusals import not_allowed, too_large, unreachable
from studio.config import Config


@contextlib.contextmanager
def open_file(config: Config, organization: str, uri: str) -> Iterator[Path]:
    """A path to the opened file, good for the length of the block.

    Whether it lies below a root is asked of what was opened, links resolved: a link that is turned in between leads
    nowhere else.

    Args:
        config: The settings.
        organization: Who asks.
        uri: ``file:///folder/name``, percent-encoded where it must be.

    Raises:
        SourceNotAllowed: It is not such a URI, or not below a configured root.
        SourceUnreachable: There is no readable file.
        TooLarge: It has more bytes than a dataset may.
    """
    roots = [_resolved(root.replace("{organization}", organization)) for root in config.source_file_roots]
    path = _resolved(_path_in(uri))
    _check_below(path, roots)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)  # a pipe must not be waited for
    except OSError as error:
        raise unreachable("There is no readable file at this address.") from error
    try:
        _check_below(Path(os.readlink(f"/proc/self/fd/{descriptor}")), roots)
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise unreachable("What stands at this address is not a file.")
        if facts.st_size > config.dataset_limit_bytes:
            raise too_large(config.dataset_limit_bytes)
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _path_in(uri: str) -> str:
    parts = urlsplit(uri)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
        raise not_allowed("A file source is named as file:///folder/name, without anything else.")
    return unquote(parts.path)


def _resolved(path: str) -> Path:
    try:
        return Path(path).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # too long, holds a NUL, goes round in circles
        raise not_allowed("This is not the address of a file below a folder that is open for imports.") from error


def _check_below(path: Path, roots: list[Path]) -> None:
    if not any(path.is_relative_to(root) for root in roots):
        raise not_allowed("This is not the address of a file below a folder that is open for imports.")
