"""Takes the hash of a pickle that was stored before hashes were."""

import hashlib

from studio.backends.files.port import StoredFile
from studio.backends.stores import Stores
from studio.domain.versions import FileFormat, ModelVersion
from studio.errors import FileMissing
from studio.versions import service as versions


def measure(stores: Stores, model_id: str, version: ModelVersion) -> dict[FileFormat, StoredFile]:
    """The version's pickle as it lies in the store; empty where there is none."""
    key, digest, size_bytes = versions.file_key(model_id, version.number, FileFormat.PKL), hashlib.sha256(), 0
    try:
        for chunk in stores.files.read_chunks(key):
            digest.update(chunk)
            size_bytes += len(chunk)
    except FileMissing:
        return {}
    return {FileFormat.PKL: StoredFile(key, size_bytes, digest.hexdigest())}
