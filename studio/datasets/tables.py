"""Datasets, the models that link them, and the runs that read them."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from studio.db.declarative import Row


class DatasetRow(Row):
    """One dataset; invisible until ``is_complete``, and again once it is deleted.

    While it is uploaded, ``uploader`` names the process that does it and ``seen_at`` its last sign of life. A row that
    is neither complete nor has an uploader is waiting to be removed, with its files.
    """

    __tablename__ = "datasets"
    __table_args__ = (
        Index("ix_datasets_created", "organization", "is_complete", "created_at", "id"),
        Index("ix_datasets_name", "organization", "is_complete", "name", "id"),
        Index("ix_datasets_rows", "organization", "is_complete", "rows", "id"),
        Index("ix_datasets_incomplete", "is_complete", "created_at"),
    )

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    organization: Mapped[str] = mapped_column(String(63))
    name: Mapped[str] = mapped_column(String(120))
    description: Mapped[str] = mapped_column(Text, default="")
    search_text: Mapped[str] = mapped_column(Text, default="")
    format: Mapped[str] = mapped_column(String(16), default="csv")
    source: Mapped[dict[str, Any]]
    rows: Mapped[int] = mapped_column(BigInteger, default=0)
    columns: Mapped[list[Any]] = mapped_column(JSON, default=list)  # [[name, type], ...]
    size_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    fingerprint: Mapped[str] = mapped_column(String(64), default="")
    is_complete: Mapped[bool] = mapped_column(default=False)
    uploader: Mapped[str | None] = mapped_column(String(120))
    seen_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(128))


class DatasetLinkRow(Row):
    """The one dataset a model learns from."""

    __tablename__ = "dataset_links"

    model_id: Mapped[str] = mapped_column(String(16), primary_key=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id"), index=True)
    linked_at: Mapped[datetime]


class DatasetUseRow(Row):
    """An unfinished run or batch job that reads a dataset."""

    __tablename__ = "dataset_uses"

    holder_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id"), index=True)
