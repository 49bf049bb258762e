"""The chain of an organization, and its newest link."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import DDL, Index, Integer, String, Text, event
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Mapped, mapped_column

from studio.db.declarative import Row, UtcDateTime
from studio.domain.audit import FIRST_HASH


class FoundMoment(UtcDateTime):
    """A moment; None where somebody has put into SQLite what is none, so that the entry can still be told of."""

    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: Any) -> Callable[[Any], datetime | None]:
        read = super().result_processor(dialect, coltype)

        def find(value: Any) -> datetime | None:
            try:
                return read(value) if read else value
            except (ValueError, TypeError):
                return None

        return find


class AuditRow(Row):
    """One entry; ``details`` is kept as the canonical JSON that was hashed."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index("ix_audit_entries_model", "organization", "model_id", "number", "timestamp", "action", "user_id"),
        Index("ix_audit_entries_time", "organization", "timestamp", "number"),
        Index("ix_audit_entries_number", "organization", "number", "timestamp", "action", "user_id"),
    )

    organization: Mapped[str] = mapped_column(String(63), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    action: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[str | None] = mapped_column(String(128))
    email: Mapped[str | None] = mapped_column(String(320))
    actor_type: Mapped[str] = mapped_column(String(16))
    ip_address: Mapped[str | None] = mapped_column(String(64))
    request_id: Mapped[str | None] = mapped_column(String(128))
    timestamp: Mapped[datetime] = mapped_column(FoundMoment)
    model_id: Mapped[str | None] = mapped_column(String(16))
    details: Mapped[str] = mapped_column(Text)
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class AuditHeadRow(Row):
    """The newest entry of an organization's chain; locked while the next is written."""

    __tablename__ = "audit_heads"

    organization: Mapped[str] = mapped_column(String(63), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, default=0)
    hash: Mapped[str] = mapped_column(String(64), default=FIRST_HASH)


SQLITE_GUARDS = [
    f"CREATE TRIGGER audit_entries_no_{act.lower()} BEFORE {act} ON audit_entries "
    "BEGIN SELECT RAISE(ABORT, 'audit entries cannot be changed'); END"
    for act in ("UPDATE", "DELETE")
]
POSTGRES_GUARDS = [
    "CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'audit entries cannot be changed'; END $$",
    "CREATE TRIGGER audit_entries_no_change BEFORE UPDATE OR DELETE ON audit_entries "
    "FOR EACH ROW EXECUTE FUNCTION refuse_audit_change()",
    "CREATE TRIGGER audit_entries_no_truncate BEFORE TRUNCATE ON audit_entries "
    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()",
]


def _guard(statement: str, dialect: str) -> Any:
    return DDL(statement.replace("%", "%%")).execute_if(dialect=dialect)  # type: ignore[no-untyped-call]


for dialect, guards in (("sqlite", SQLITE_GUARDS), ("postgresql", POSTGRES_GUARDS)):
    for guard in guards:
        event.listen(AuditRow.__table__, "after_create", _guard(guard, dialect))
