"""MLflow's own tables: brought to the installed MLflow's schema once, by whoever comes first."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from mlflow.store.db import utils as mlflow_schema
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.pool import NullPool

from studio.errors import BackendDown

# Any number no other user of the same PostgreSQL takes as an advisory lock; it reads "mlflow" in ASCII.
_LOCK_KEY = 0x6D6C666C6F77


def prepare(tracking_url: str) -> None:
    """Create MLflow's tables or bring them up to date; does nothing, in milliseconds, when they are.

    Safe to call from several processes at once, and after one of them was killed half-way: a new SQLite file
    appears under its name only when complete, and PostgreSQL migrates in one transaction.

    Args:
        tracking_url: SQLAlchemy URL of MLflow's database: a SQLite file of its own, or a PostgreSQL database,
            which may hold other tables too.

    Raises:
        BackendDown: The database does not answer.
    """
    with reporting_outage():
        path = sqlite_path(tracking_url)
        if path is None:
            _prepare_server(tracking_url)
        else:
            _prepare_file(tracking_url, path)


def is_reachable(tracking_url: str) -> bool:
    """True when the database takes a connection and answers; waits at most a few seconds."""
    try:
        with _engine(tracking_url) as engine, engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except (OperationalError, InterfaceError):
        return False
    return True


@contextmanager
def reporting_outage() -> Iterator[None]:
    """Raise BackendDown for a database that cannot be reached."""
    try:
        yield
    except (OperationalError, InterfaceError) as fault:
        raise BackendDown("MLflow's database does not answer.") from fault


def sqlite_path(url: str) -> Path | None:
    """The file of a SQLite URL, None for any other database."""
    parsed = make_url(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


def _prepare_server(url: str) -> None:
    with _engine(url) as engine:
        if _is_current(engine):
            return
        with engine.connect() as connection, _advisory_lock(connection):
            if not _is_current(engine):
                _migrate(engine)


def _prepare_file(url: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with _file_lock(path.with_name(path.name + ".lock")):
        if not path.exists():
            _create_file(path)
            return
        with _engine(url) as engine:
            if not _is_current(engine):
                _migrate(engine)


def _create_file(path: Path) -> None:
    """Build it beside its place and move it there: a killed process leaves no half of a database."""
    descriptor, name = tempfile.mkstemp(prefix=path.name + ".", suffix=".new", dir=path.parent)
    os.close(descriptor)
    new = Path(name)
    try:
        with _engine(f"sqlite:///{new}") as engine:
            event.listen(engine, "connect", _write_carelessly)
            _migrate(engine)
            with engine.connect() as connection:
                # Readers and the one writer do not wait for each other; the file remembers this mode.
                connection.execute(text("PRAGMA journal_mode=WAL"))
        with new.open("rb") as written:
            os.fsync(written.fileno())
        new.replace(path)
    finally:
        for leftover in path.parent.glob(new.name + "*"):
            leftover.unlink()


def _write_carelessly(connection: DBAPIConnection, _: object) -> None:
    """Spare the hundreds of waits for the disk: nobody needs a file that is not complete."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=OFF")
    cursor.close()


def _is_current(engine: Engine) -> bool:
    """True when every table is there and at the installed MLflow's revision."""
    revision = mlflow_schema._get_schema_version(engine)
    return revision is not None and revision == mlflow_schema._get_latest_schema_revision()


def _migrate(engine: Engine) -> None:
    """As ``mlflow db upgrade``, which however takes a database with foreign tables for one of its own."""
    if mlflow_schema._get_schema_version(engine) is None:
        mlflow_schema._initialize_tables(engine)
    else:
        mlflow_schema._upgrade_db(engine)


@contextmanager
def _engine(url: str) -> Iterator[Engine]:
    """An engine of its own: nothing stays open that a forked worker could inherit."""
    arguments = {} if sqlite_path(url) else {"connect_timeout": 5}
    engine = create_engine(url, poolclass=NullPool, connect_args=arguments)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _advisory_lock(connection: Connection) -> Iterator[None]:
    """Held until the connection closes, even if the process is killed."""
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK_KEY})
    try:
        yield
    finally:
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK_KEY})


@contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    with closing(path.open("w")) as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
