"""Where logged predictions lie."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from studio.db.declarative import Row


class PredictionSegmentRow(Row):
    """One Parquet file of predictions of one version by one deployment.

    ``id`` is the name of the segment a host wrote, so that what is gathered twice is there once; the file is
    ``<model_id>/predictions/<id>.parquet``.
    """

    __tablename__ = "prediction_segments"
    __table_args__ = (Index("ix_prediction_segments_model", "model_id", "last_at"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    organization: Mapped[str] = mapped_column(String(63))
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    deployment_id: Mapped[str] = mapped_column(String(16))
    version: Mapped[int]
    source: Mapped[str] = mapped_column(String(16))  # ``deployment``, or ``shadow`` for copies nobody was answered with
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    predictions: Mapped[int] = mapped_column(BigInteger)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
