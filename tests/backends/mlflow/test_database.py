import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
import sqlalchemy
from alembic import command
from alembic.script import ScriptDirectory
from mlflow.store.db.utils import _get_alembic_config, _get_latest_schema_revision
from mlflow.store.tracking.dbmodels.initial_models import Base as InitialBase

from studio.backends.mlflow.connection import MlflowConnection
from studio.backends.mlflow.database import is_reachable, prepare
from studio.backends.mlflow.registry import Registry
from studio.errors import BackendDown


def revision_of(url):
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        revision = connection.scalar(sqlalchemy.text("SELECT version_num FROM alembic_version"))
    engine.dispose()
    return revision


def prepare_in_processes(url, count):
    """Prepare one database from several processes at once and give their exit codes."""
    script = "import sys; from studio.backends.mlflow.database import prepare; prepare(sys.argv[1])"
    processes = [subprocess.Popen([sys.executable, "-c", script, url]) for _ in range(count)]
    return [process.wait() for process in processes]


def test_a_new_file_is_brought_to_the_installed_schema(tmp_path):
    url = f"sqlite:///{tmp_path}/data/mlflow.db"

    prepare(url)
    prepare(url)

    assert revision_of(url) == _get_latest_schema_revision()
    with closing(sqlite3.connect(tmp_path / "data" / "mlflow.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["mlflow.db", "mlflow.db.lock"]


def test_what_a_killed_process_left_is_not_taken_for_a_database(tmp_path):
    (tmp_path / "mlflow.db.abc.new").write_bytes(b"half")

    prepare(f"sqlite:///{tmp_path}/mlflow.db")

    assert revision_of(f"sqlite:///{tmp_path}/mlflow.db") == _get_latest_schema_revision()


def test_a_database_that_is_up_to_date_is_not_touched(mlflow_template_database, tmp_path):
    copy = shutil.copyfile(mlflow_template_database, tmp_path / "mlflow.db")
    before = copy.read_bytes()

    prepare(f"sqlite:///{copy}")

    assert copy.read_bytes() == before


def test_an_older_schema_is_upgraded(tmp_path):
    url = f"sqlite:///{tmp_path}/mlflow.db"
    config = _get_alembic_config(url)
    scripts = ScriptDirectory.from_config(config)
    older = scripts.get_revision(scripts.get_current_head()).down_revision
    engine = sqlalchemy.create_engine(url)
    InitialBase.metadata.create_all(engine)
    engine.dispose()
    command.upgrade(config, older)
    assert revision_of(url) == older

    prepare(url)

    assert revision_of(url) == _get_latest_schema_revision()


def test_a_database_that_is_down_says_so():
    url = "postgresql+psycopg://nobody@127.0.0.1:1/none"

    assert not is_reachable(url)
    with pytest.raises(BackendDown):
        prepare(url)


@pytest.mark.slow
def test_several_processes_prepare_one_file(tmp_path):
    url = f"sqlite:///{tmp_path}/mlflow.db"

    assert prepare_in_processes(url, 3) == [0, 0, 0]
    assert revision_of(url) == _get_latest_schema_revision()


@pytest.mark.slow
def test_a_postgresql_that_holds_other_tables_is_prepared_once(postgres_url):
    engine = sqlalchemy.create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE models (id text PRIMARY KEY)"))
    engine.dispose()

    assert prepare_in_processes(postgres_url, 3) == [0, 0, 0]
    prepare(postgres_url)

    assert revision_of(postgres_url) == _get_latest_schema_revision()


@pytest.mark.slow
def test_the_registry_works_on_postgresql(postgres_url, tmp_path):
    prepare(postgres_url)
    registry = Registry(MlflowConnection(postgres_url, str(tmp_path)), "acme")
    name = 'it\'s "late" 😀'

    registry.create_model(name, model_id="mdl-00000001")
    config = {"columns": ["x" * 100 for _ in range(2500)]}
    source = "mlflow-artifacts:/workspaces/acme/1/x"
    registry.register_version(name, source=source, mlflow_run_id=None, run_id=None, fields={"config": config})
    registry.set_promoted(name, 1)
    registry.rename_model(name, "Later", model_id="mdl-00000001")

    [version] = registry.list_versions("Later")
    assert (version.is_promoted, version.config) == (True, config)
    retired = registry.delete_model("Later")
    registry.purge(retired)
    assert (registry.list_entries(), registry.list_retired()) == ([], [])
