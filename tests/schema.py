"""Empty databases, made from what the code declares; ``tests/db`` proves that migrations make the same."""

import importlib
from pathlib import Path

import sqlalchemy

import studio
from studio.backends.mlflow.database import prepare
from studio.db.declarative import Row
from studio.db.session import SCHEMA, Database


def own_tables():
    """Metadata of every own table of every room."""
    folder = Path(studio.__file__).parent
    for path in sorted(folder.rglob("tables.py")):
        importlib.import_module(".".join(("studio", *path.relative_to(folder).with_suffix("").parts)))
    return Row.metadata


def create_own_tables(url):
    """Make the own tables in an empty database."""
    database = Database(url)
    with database.engine.begin() as connection:
        if not database.is_sqlite:
            connection.exec_driver_sql(f"CREATE SCHEMA {SCHEMA}")
        own_tables().create_all(connection)
    if database.is_sqlite:  # into the one file, which is then copied alone
        with sqlalchemy.create_engine(url).connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


def create_tables_of_mlflow(url):
    """Make MLflow's tables."""
    prepare(url)


def create_all_tables(url):
    """Make both in one PostgreSQL database."""
    create_own_tables(url)
    create_tables_of_mlflow(url)
