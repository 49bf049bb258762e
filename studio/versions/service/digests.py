"""Digests of the files of versions that nobody took one of: those of MLflow clients.

They are taken when the worker first sees such a version, and at its first use where the worker could not, as where the
client filled the folder only afterwards. From then on the files are what they were, or the version is not used.
"""

import logging
from collections.abc import Collection

from studio.backends.stores import Stores
from studio.domain.versions import ModelVersion, VersionStatus
from studio.errors import BackendDown, BadKey, FileMissing, ModelFilesChanged, ModelNotFound, VersionNotFound

logger = logging.getLogger(__name__)


def ensure_digest(stores: Stores, name: str, version: ModelVersion) -> ModelVersion:
    """The version with the digest of its files, which is taken now where there is none.

    Args:
        stores: Open stores; reading ones suffice.
        name: Name of the model.
        version: One of its versions.

    Returns:
        The version; still without a digest where it is not ready or has no complete folder.

    Raises:
        VersionNotFound: It was deleted meanwhile.
        ModelFilesChanged: Its folder holds a symbolic link, whose target nobody vouches for.
        BackendDown: The storage does not answer.
    """
    if version.digest is not None or version.status is not VersionStatus.READY:
        return version
    try:
        return stores.registry.record_digest(name, version.number)
    except (BadKey, FileMissing):  # an MLflow client may register a version of nothing
        return version


def take_digests(stores: Stores, name: str, *, known: Collection[int]) -> None:
    """Take the digests of a model's versions that an MLflow client registered and nobody has seen yet.

    Args:
        stores: Open stores; reading ones suffice.
        name: Name of the model.
        known: Numbers of the versions that were seen before.
    """
    try:
        fresh = [version for version in stores.registry.list_versions(name) if version.number not in known]
    except ModelNotFound:
        return
    for version in fresh:
        if not version.is_external:
            continue
        try:
            ensure_digest(stores, name, version)
        except (VersionNotFound, ModelFilesChanged, BackendDown) as fault:
            logger.warning("no digest was taken of a client's version: %s", fault, extra={"version_id": version.id})
