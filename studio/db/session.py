"""Engine and transactions on SQLite and PostgreSQL.

SQLite runs in WAL mode, and a writing transaction takes the write lock at its first statement: a reader that
turns into a writer halfway would fail with "database is locked" however long it is told to wait.

On PostgreSQL the own tables have a schema of their own: MLflow's tables share the database, and a
``datasets`` is among them too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker

from studio.errors import BackendDown

LOCK_WAIT_MS = 30_000
SCHEMA = "studio_tables"  # must not be the database user's name: MLflow's tables would go there too


class Database:
    """Own tables of one service; safe to share between threads, and after a fork once ``forget`` was called."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self.engine = _sqlite_engine(url) if self.is_sqlite else _postgres_engine(url)
        writing = self.engine.execution_options(studio_writes=True)
        self._reading = sessionmaker(self.engine, expire_on_commit=False, autoflush=True)
        self._writing = sessionmaker(writing, expire_on_commit=False, autoflush=True)

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[Session]:
        """One transaction, begun by its first statement, committed on return, rolled back on any exception.

        Raises:
            BackendDown: The database does not answer.
        """
        session = self._writing() if write else self._reading()
        try:
            yield session
            session.commit()
        except (OperationalError, PoolTimeout) as error:
            raise BackendDown("The database does not answer; try again.") from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise BackendDown("The database went away; try again.") from error
            raise
        finally:
            session.close()

    def forget(self) -> None:
        """Drop connections inherited over a fork without closing them for the parent."""
        self.engine.dispose(close=False)

    def close(self) -> None:
        """Close every idle connection."""
        self.engine.dispose()


def _sqlite_engine(url: str) -> Engine:
    engine = create_engine(url, pool_size=8, max_overflow=120, connect_args={"timeout": LOCK_WAIT_MS / 1000})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            f"busy_timeout={LOCK_WAIT_MS}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("studio_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgres_engine(url: str) -> Engine:
    engine = create_engine(url, pool_size=8, max_overflow=24, pool_pre_ping=True, pool_timeout=10)

    @event.listens_for(engine, "connect", insert=True)
    def prepare(connection: Any, record: Any) -> None:
        connection.autocommit = True  # else the setting would go with the first rollback
        connection.execute(f"SET search_path TO {SCHEMA}")
        connection.autocommit = False

    return engine
