"""Which version a caller asks, and what is needed to ask it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from studio.backends.mlflow.model_files import ModelColumn
from studio.backends.stores import Stores
from studio.domain.versions import ModelVersion, VersionStatus
from studio.errors import BadKey, FileMissing, VersionNotReady
from studio.models import service as models
from studio.versions import service as versions


@dataclass(frozen=True)
class Asked:
    """A version that is ready to be asked.

    Attributes:
        name: Name of the model.
        address: Where its model folder lies; also the key of its host.
        columns: What it takes; None where nobody knows.
        outputs: What it gives; likewise.
        sample_address: Where a sample of the rows lies it was trained on; None where nobody knows.
    """

    name: str
    version: ModelVersion
    address: str
    columns: Sequence[ModelColumn] | None
    outputs: Sequence[ModelColumn] | None
    sample_address: str | None

    @property
    def loading(self) -> dict[str, Any]:
        """What its loader is given."""
        return {"address": self.address, "digest": self.version.digest}

    @property
    def compiled_key(self) -> str:
        """Key of a host that has compiled it, which takes some seconds and pays from thousands of rows on."""
        return f"{self.address}#compiled"

    @property
    def compiled_loading(self) -> dict[str, Any]:
        """What the loader of such a host is given."""
        return {**self.loading, "sample_address": self.sample_address}


def find_asked(stores: Stores, model_id: str, version_id: str | None) -> Asked | None:
    """The version named or, where none is, the promoted one; None where none is promoted.

    Raises:
        ModelNotFound: There is no such model.
        VersionNotFound: It has no such version.
        VersionNotReady: The version is not ready, or its model folder is gone.
    """
    name = models.get_model(stores, model_id).name
    version = (
        versions.find_promoted(stores, model_id)
        if version_id is None
        else versions.find_version(stores, model_id, version_id)
    )
    if version is None:
        return None
    if version.status is not VersionStatus.READY:
        raise VersionNotReady(version.id, version.status)
    try:
        schema = stores.registry.read_schema(name, version.number)
        address = stores.registry.storage_address(name, version.number)
        version = versions.ensure_digest(stores, name, version)
    except (BadKey, FileMissing) as error:  # an MLflow client may register a version of nothing
        raise VersionNotReady(version.id, "without its model folder") from error
    return Asked(name, version, address, schema.inputs, schema.outputs, versions.find_sample(stores, version))
