"""Links that hand one file out until they expire: signed here, or by S3."""

import base64
import binascii
import hmac
import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from studio.backends.files.port import StoredFile
from studio.backends.stores import Stores
from studio.config import Config
from studio.errors import LinkExpired, LinkInvalid

PURPOSE = b"studio download links"
PATH = "/api/v1/models/downloads/"


@dataclass(frozen=True)
class LinkedFile:
    """What a token stands for.

    Attributes:
        key: The file's key in the file store.
        filename: Name to save it under.
        sha256: What it must hash to.
        expires: Seconds since 1970 from which on the link is of no use.
    """

    key: str
    filename: str
    sha256: str
    expires: int


@dataclass(frozen=True)
class Link:
    """An address, and when it ceases to work."""

    url: str
    expires_at: datetime


def link_to(stores: Stores, file: StoredFile, *, filename: str, lifetime_s: int) -> Link:
    """A link to one file of the store, for whoever has it.

    Args:
        stores: Open stores, of a process that knows the signing secret.
        file: The file, as it lies in the store.
        filename: Name to save it under: letters, digits and ``-._``.
        lifetime_s: How long it works, 1..86400.
    """
    expires_at = stores.now() + timedelta(seconds=lifetime_s)
    url = stores.files.presign(file.key, filename=filename, lifetime_s=lifetime_s)
    if url is None:
        linked = LinkedFile(file.key, filename, file.sha256, int(expires_at.timestamp()))
        url = f"{stores.config.public_url}{PATH}{_make_token(stores.config, linked)}"
    return Link(url, expires_at)


def read_token(config: Config, token: str, now: datetime) -> LinkedFile:
    """What a token stands for.

    Raises:
        LinkInvalid: It was not made here, or was changed since.
        LinkExpired: It was, and its time is over.
    """
    content, _, signature = token.partition(".")
    if not token.isascii() or not hmac.compare_digest(_sign(config, content), signature):
        raise LinkInvalid("This link is not one of ours, or was changed; ask for a new one.")
    try:
        facts: dict[str, Any] = json.loads(base64.urlsafe_b64decode(_padded(content)))
        linked = LinkedFile(**facts)
    except (binascii.Error, ValueError, TypeError) as error:  # signed by another release of ours
        raise LinkInvalid("This link is not one of ours; ask for a new one.") from error
    if now.timestamp() >= linked.expires:
        raise LinkExpired("This link has expired; ask for a new one.")
    return linked


def _make_token(config: Config, linked: LinkedFile) -> str:
    content = _encode(json.dumps(asdict(linked), separators=(",", ":")).encode())
    return f"{content}.{_sign(config, content)}"


def _sign(config: Config, content: str) -> str:
    key = hmac.digest(config.signing_secret.get_secret_value().encode(), PURPOSE, "sha256")
    return _encode(hmac.digest(key, content.encode(), "sha256"))


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _padded(content: str) -> str:
    return content + "=" * (-len(content) % 4)
