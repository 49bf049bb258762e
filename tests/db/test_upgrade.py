"""Migrations make what the code declares, once, whoever comes first."""

import subprocess
import sys

import pytest
import sqlalchemy
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from studio.config import Config
from studio.db.session import SCHEMA, Database
from studio.db.upgrade import VERSION_TABLE, SchemaTooNew, is_current, upgrade
from studio.errors import BackendDown
from tests.schema import create_own_tables

LIKENESS = {
    "sqlite": "SELECT type, name, tbl_name, CASE type WHEN 'table' THEN '' ELSE sql END FROM sqlite_master"
    " WHERE sql IS NOT NULL",
    "postgresql": "SELECT 'index', indexname, tablename, indexdef FROM pg_indexes WHERE schemaname = current_schema()"
    " UNION SELECT 'trigger', tgname, tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger"
    " WHERE NOT tgisinternal UNION SELECT 'view', viewname, '', definition FROM pg_views"
    " WHERE schemaname = current_schema() UNION SELECT 'function', proname, '', prosrc FROM pg_proc"
    " WHERE pronamespace = current_schema()::regnamespace",
}
UPGRADE = """
from studio.config import Config
from studio.db.upgrade import upgrade
upgrade(Config())
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def urls(request, tmp_path):
    """Addresses of two empty databases."""
    if request.param == "sqlite":
        yield [f"sqlite:///{tmp_path}/{name}.db" for name in ("one", "two")]
        return
    server = request.getfixturevalue("postgres_server")
    names = [server.new_database() for _ in range(2)]
    yield [server.url_of(name) for name in names]
    for name in names:
        server.drop(name)


@pytest.fixture
def config_of(tmp_path):
    return lambda url: Config(data_folder=tmp_path, runtime_folder=tmp_path, database_url=url)


def describe(url):
    """Everything of a database that migrations and metadata could differ in."""
    database = Database(url)
    with database.engine.connect() as connection:
        seen = inspect(connection)
        tables = set(seen.get_table_names()) - {VERSION_TABLE}
        columns = {
            (table, column["name"], str(column["type"]), column["nullable"], str(column["default"]))
            for table in tables
            for column in seen.get_columns(table)
        }
        keys = {(table, str(seen.get_pk_constraint(table))) for table in tables}
        keys |= {(table, str(key)) for table in tables for key in seen.get_foreign_keys(table)}
        keys |= {(table, str(key)) for table in tables for key in seen.get_unique_constraints(table)}
        rows = connection.execute(text(LIKENESS[database.engine.dialect.name])).all()
        rest = {tuple(" ".join(str(part).split()) for part in row) for row in rows if VERSION_TABLE not in row[2]}
    database.close()
    return {"columns": columns, "keys": keys, "rest": rest}


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection")  # their SQL is compared
def test_migrations_make_what_the_code_declares(urls, config_of):
    upgrade(config_of(urls[0]))
    create_own_tables(urls[1])
    migrated, declared = describe(urls[0]), describe(urls[1])
    assert declared["columns"]
    for part in declared:
        assert migrated[part] - declared[part] == set(), f"{part}: made by migrations alone"
        assert declared[part] - migrated[part] == set(), f"{part}: no migration makes it"


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection")
def test_a_repeat_changes_nothing(urls, config_of):
    config = config_of(urls[0])
    upgrade(config)
    before = describe(urls[0])
    upgrade(config)
    assert describe(urls[0]) == before


@pytest.mark.slow
def test_several_processes_at_once(urls, config_of, tmp_path):
    settings = {"STUDIO_DATABASE_URL": urls[0], "STUDIO_DATA_FOLDER": str(tmp_path), "PATH": "/usr/bin:/bin"}
    started = [
        subprocess.Popen([sys.executable, "-c", UPGRADE], env=settings, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in started:
        _, fault = process.communicate(timeout=60)
        assert process.returncode == 0, fault
    database = Database(urls[0])
    with database.engine.connect() as connection:
        assert is_current(connection)
    database.close()


@pytest.mark.parametrize("statement", ["UPDATE audit_entries SET action = 'other'", "DELETE FROM audit_entries"])
def test_audit_entries_cannot_be_changed(urls, config_of, statement):
    upgrade(config_of(urls[0]))
    database = Database(urls[0])
    with database.transaction(write=True) as session:
        session.execute(
            text(
                "INSERT INTO audit_entries (organization, number, action, actor_type, timestamp, details,"
                " previous_hash, hash) VALUES ('acme', 1, 'model.created', 'user', '2026-05-04 08:00', '{}', '', '')"
            )
        )
    with (
        pytest.raises(DBAPIError, match="audit entries cannot be changed"),
        database.transaction(write=True) as session,
    ):
        session.execute(text(statement))
    with database.transaction(write=False) as session:
        assert session.scalar(text("SELECT action FROM audit_entries")) == "model.created"
    database.close()


def test_a_database_of_a_later_version_is_left_alone(urls, config_of):
    config = config_of(urls[0])
    upgrade(config)
    database = Database(urls[0])
    with database.transaction(write=True) as session:
        session.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = 'later'"))
    database.close()
    with pytest.raises(SchemaTooNew, match="later"):
        upgrade(config)


def test_tables_of_mlflow_may_stand_beside_ours(postgres_url, config_of):
    engine = sqlalchemy.create_engine(postgres_url)
    with engine.begin() as connection:
        for table in ("datasets", "alembic_version"):
            connection.execute(text(f"CREATE TABLE {table} (theirs int)"))
    upgrade(config_of(postgres_url))
    seen = inspect(engine)
    assert [column["name"] for column in seen.get_columns("datasets")] == ["theirs"]
    assert "datasets" in seen.get_table_names(schema=SCHEMA)
    engine.dispose()


def test_a_database_that_is_away(config_of):
    with pytest.raises(BackendDown):
        upgrade(config_of("postgresql://nobody@127.0.0.1:1/none"))
