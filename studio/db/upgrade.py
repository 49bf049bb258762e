"""Brings the own tables to what this version of the code declares."""

import fcntl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from alembic.config import Config as AlembicConfig
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import OperationalError

from studio.config import Config
from studio.db.session import SCHEMA, Database
from studio.errors import BackendDown

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "studio_alembic_version"  # MLflow keeps its own version as alembic_version, maybe beside it
_LOCK_KEY = 0x73747564696F  # any number no other user of the database takes; it reads "studio" in ASCII


class SchemaTooNew(Exception):
    """The tables are of a later version than this code."""


def upgrade(config: Config) -> None:
    """Create the own tables or bring them up to date; does nothing, in milliseconds, when they are.

    Safe to call from several processes at once: one migrates, the others wait for it. All of it is one
    transaction, so a process killed half-way leaves the tables as they were.

    Args:
        config: The settings.

    Raises:
        BackendDown: The database does not answer.
        SchemaTooNew: A later version of the service has been here.
    """
    database = Database(config.database_url)
    try:
        with _held_file(config.database_url), _migrating(database) as connection:
            _run_missing(connection)
    except OperationalError as error:
        raise BackendDown("The database does not answer.") from error
    finally:
        database.close()


def is_current(connection: Connection) -> bool:
    """True when the tables are those this code declares.

    Raises:
        SchemaTooNew: A later version of the service has been here.
    """
    scripts = _scripts()
    found = _version_of(connection)
    if found is not None and found not in {script.revision for script in scripts.walk_revisions()}:
        raise SchemaTooNew(
            f"The database is at version {found}, which this version of Model Studio does not know: "
            "a later one has been here. Install that one, or restore the backup made before."
        )
    return found == scripts.get_current_head()


def _run_missing(connection: Connection) -> None:
    if is_current(connection):
        return
    scripts = _scripts()
    settings = AlembicConfig()
    settings.attributes["connection"] = connection
    with EnvironmentContext(settings, scripts, fn=lambda revision, _: scripts._upgrade_revs("head", revision)):
        scripts.run_env()


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(MIGRATIONS))


def _version_of(connection: Connection) -> str | None:
    options = {"version_table": VERSION_TABLE}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


@contextmanager
def _migrating(database: Database) -> Iterator[Connection]:
    """A connection in a transaction that holds off every other migration."""
    with database.engine.connect().execution_options(studio_writes=True) as connection, connection.begin():
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
            # Not IF NOT EXISTS: that needs the right to create schemas even where there is nothing to create.
            if connection.scalar(text("SELECT to_regnamespace(:name)"), {"name": SCHEMA}) is None:
                connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
        yield connection


@contextmanager
def _held_file(url: str) -> Iterator[None]:
    """Hold a lock beside a SQLite file: two processes that open a new one at once could fail, not wait."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        yield
        return
    path = Path(parsed.database or "")
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(path.with_name(f"{path.name}.lock").open("w")) as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
