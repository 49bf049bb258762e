"""What is to be sent, and how that went."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from studio.db.declarative import Row


class NotificationRow(Row):
    """One message to one receiver.

    ``due_at`` is when it is next to be tried: a worker that tries it moves it ahead, so that no other does meanwhile
    and that another one does should this one die. ``status`` is ``waiting``, ``sent`` or ``failed``.
    """

    __tablename__ = "notifications"
    __table_args__ = (Index("ix_notifications_due", "status", "due_at"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    organization: Mapped[str] = mapped_column(String(63))
    model_id: Mapped[str | None] = mapped_column(String(16))
    kind: Mapped[str] = mapped_column(String(64))  # what happened, such as ``training.completed``
    channel: Mapped[str] = mapped_column(String(16))
    receiver: Mapped[str] = mapped_column(String(320))  # an address; empty where the settings name it
    payload: Mapped[dict[str, Any]]  # what the channel needs
    status: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime]
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(Text)  # of the last attempt that failed
