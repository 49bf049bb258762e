"""Uploads written to a folder of the test, and the public tables where they are at hand."""

from pathlib import Path

import pytest

from studio.tabular.ingestion import ingest
from studio.tabular.table import Table

PUBLIC_TABLES = Path(__file__).parents[3] / "shared" / "data"


class Desk:
    """A folder to read uploads in: `typed` and `original` hold what the last one left."""

    def __init__(self, folder: Path):
        self.upload = folder / "upload"
        self.typed = folder / "typed.parquet"
        self.original = folder / "original"

    def read(self, content: bytes | str, max_bytes: int = 1 << 30) -> Table:
        self.upload.write_bytes(content.encode() if isinstance(content, str) else content)
        return ingest(self.upload, self.typed, original=self.original, max_bytes=max_bytes)


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


@pytest.fixture
def public_table():
    """Bytes of a public table by name; skips where the tables are not at hand."""

    def read(name: str) -> bytes:
        path = PUBLIC_TABLES / name
        if not path.exists():
            pytest.skip(f"the public table {name} is not in shared/data beside the repository")
        return path.read_bytes()

    return read
