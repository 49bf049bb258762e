"""A dataset of the catalogue, and a model's link to one."""

import enum
from dataclasses import dataclass
from datetime import datetime


class DatasetFormat(enum.StrEnum):
    CSV = "csv"
    PARQUET = "parquet"


class SourceType(enum.StrEnum):
    UPLOAD = "upload"
    S3 = "s3"
    SQL = "sql"
    FILE = "file"


class ColumnType(enum.StrEnum):
    NUMBER = "number"
    CATEGORY = "category"
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    TEXT = "text"


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    name: str
    type: ColumnType


@dataclass(frozen=True)
class DatasetSource:
    """Where a dataset came from, and the address of all but uploads; it never holds credentials."""

    type: SourceType
    uri: str | None = None


@dataclass(frozen=True)
class Dataset:
    """One table of the catalogue; it never changes.

    Attributes:
        size_bytes: Length of its decompressed content.
        fingerprint: SHA-256 of that content in hex.
        linked_models: How many models link it now.
    """

    id: str
    name: str
    description: str
    format: DatasetFormat
    source: DatasetSource
    rows: int
    columns: tuple[Column, ...]
    size_bytes: int
    fingerprint: str
    linked_models: int
    created_at: datetime
    created_by: str

    @property
    def original_key(self) -> str:
        """Key of the content as it came, decompressed."""
        return f"{folder_of(self.id)}/original.{self.format}"

    @property
    def table_key(self) -> str:
        """Key of the typed Parquet file that previews, profiles and trainings read."""
        return f"{folder_of(self.id)}/table.parquet"


@dataclass(frozen=True)
class DatasetLink:
    """The dataset a model learns from."""

    model_id: str
    dataset_id: str
    dataset_name: str
    linked_at: datetime
    columns: tuple[Column, ...]


def folder_of(dataset_id: str) -> str:
    """Folder of the file store that holds everything of one dataset."""
    return f"datasets/{dataset_id}"
