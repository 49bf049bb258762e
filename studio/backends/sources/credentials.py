"""Credential sets for sources, kept in a file of the administrator's and named by requests."""

import logging
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from studio.errors import BackendDown, SourceNotAllowed

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Credentials:
    """One credential set; what it does not hold is None.

    Attributes:
        organizations: Who may use it; empty: every organization.
        places: Hosts or buckets it may be sent to; empty: all that are allowed.
        user: Database user.
        password: Its password.
        sslmode: How its connection is secured, as libpq names it.
        access_key: Key for S3, instead of those boto3 finds by itself.
        secret_key: The secret to it.
        endpoint_url: Address of an S3 other than Amazon's.
        region: Its region.
    """

    organizations: Sequence[str] = ()
    places: Sequence[str] = ()
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    sslmode: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    endpoint_url: str | None = None
    region: str | None = None


def find_credentials(path: Path | None, name: str, *, organization: str, place: str) -> Credentials:
    """The credential set of a name, read anew each time, so that a changed file needs no restart.

    Args:
        path: The file; None where there is none.
        name: The name a request gave.
        organization: Who asks.
        place: Host or bucket it is to be sent to.

    Raises:
        SourceNotAllowed: There is no such set, or not for that organization and place; which, is not told.
        BackendDown: The file cannot be read.
    """
    found = _read_sets(path).get(name) if path is not None else None
    if (
        found is None
        or (found.organizations and organization not in found.organizations)
        or (found.places and place not in found.places)
    ):
        raise SourceNotAllowed(
            f"There is no credential set {name!r} for this source.",
            fields=[("/source/credentials_ref", "no such credential set for this source")],
        )
    return found


def _read_sets(path: Path) -> dict[str, Credentials]:
    try:
        document = tomllib.loads(path.read_text())
        return {name: Credentials(**table) for name, table in document.items()}
    except (OSError, ValueError, TypeError) as error:
        logger.error("credential sets cannot be read: %s", type(error).__name__)
        raise BackendDown("The credential sets of the service cannot be read.") from error
