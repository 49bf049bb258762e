"""What a file store is: named byte sequences that appear whole or not at all."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol


@dataclass(frozen=True)
class StoredFile:
    """One file as it lies in the store.

    Attributes:
        key: Its name: segments joined by ``/``, such as ``datasets/ds-5e1ec7ed/data.parquet``.
        size_bytes: Its length.
        sha256: Hex digest of its content.
    """

    key: str
    size_bytes: int
    sha256: str


class FileStore(Protocol):
    """Bytes under keys. Every method raises BadKey for a key that is empty, absolute, or not of plain segments
    (``..``, ``.``, an empty segment, a control character, a backslash), and BackendDown when the store does not answer.
    """

    def put(self, key: str, chunks: Iterable[bytes]) -> StoredFile:
        """Write one file, streamed; it appears under its key only when complete. Repeating it replaces the file."""
        ...

    def put_path(self, key: str, path: Path) -> StoredFile:
        """As put, from a local file, which stays."""
        ...

    def open(self, key: str) -> BinaryIO:
        """Open for reading; seekable; the caller closes it.

        Raises:
            FileMissing: There is no such file.
        """
        ...

    def read_chunks(self, key: str, *, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
        """Its content piece by piece. Raises FileMissing at the call, not at the first piece."""
        ...

    def fetch(self, key: str, path: Path) -> None:
        """Copy to a local path, which appears only when complete. Raises FileMissing."""
        ...

    def size_bytes(self, key: str) -> int:
        """Length of one file. Raises FileMissing."""
        ...

    def exists(self, key: str) -> bool:
        """True when a complete file lies under the key."""
        ...

    def list_keys(self, prefix: str) -> list[str]:
        """Keys below a folder (``datasets/ds-1``), sorted."""
        ...

    def delete(self, key: str) -> None:
        """Remove one file; removing what is not there is fine."""
        ...

    def delete_folder(self, prefix: str) -> int:
        """Remove every file below a folder and return how many there were; safe to repeat."""
        ...

    def uri_of(self, key: str) -> str:
        """Address shown to clients: ``local://models/<key>`` or ``s3://<bucket>/<key>``."""
        ...

    def presign(self, key: str, *, filename: str, lifetime_s: int) -> str | None:
        """Address that hands one file out to whoever has it, saved as ``filename``, for so many seconds.

        None where a store has no address of its own: the service then serves the file itself.
        """
        ...

    def sweep(self, older_than_s: float) -> int:
        """Remove what killed writers left behind and nothing has been added to for so many seconds; returns how many.

        A store that clears up by rules of its own has nothing to do here.
        """
        ...

    def check(self) -> None:
        """Prove that the store can be written and read. Raises BackendDown."""
        ...
