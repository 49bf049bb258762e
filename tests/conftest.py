"""An installation of the test's own: settings, stores on SQLite or PostgreSQL, application, callers, time.

A test takes ``stores`` (or ``runtime``, ``client``) and runs on SQLite; marked ``both_databases`` it runs on
a real PostgreSQL too. Both start from a schema made once per session and copied per test.
"""

import contextlib
import os
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest

from studio.clock import utc_now
from studio.config import Config
from studio.domain.actors import Actor, ActorType
from studio.domain.permissions import ADMIN
from studio.process import begin
from tests.services import postgres_server, postgres_url, s3_server  # noqa: F401  fixtures

SECRET = "a signing secret of the tests, long enough"
DATABASES = ("sqlite", "postgresql")


class EndUncommitted(Exception):
    """Ends a transaction without keeping anything of it."""


class TestClock:
    """The time as a test wants it: it stands still, at the second the test began, until told to go on."""

    __test__ = False

    def __init__(self):
        self.now = utc_now().replace(microsecond=0)

    def __call__(self):
        return self.now

    def advance(self, **period):
        """Go on by a timedelta's arguments, such as ``seconds=30``."""
        self.now += timedelta(**period)
        return self.now


def pytest_addoption(parser):
    """How long to look for faults with generated calls."""
    parser.addoption("--cases", type=int, default=10_000, help="generated calls of tests/contract/test_fuzzing.py")


def pytest_configure(config):
    """Set MLflow and Prometheus up before anything imports them; both read the environment at import."""
    config.addinivalue_line("markers", "both_databases: runs on SQLite and on a real PostgreSQL")
    for name in [name for name in os.environ if name.startswith("STUDIO_")]:
        del os.environ[name]
    nowhere = Path(tempfile.mkdtemp(prefix="studio-tests-"))
    config.add_cleanup(lambda: shutil.rmtree(nowhere, ignore_errors=True))
    settings = Config(data_folder=nowhere, runtime_folder=nowhere, signing_secret=SECRET, log_level="warning")
    begin("worker", settings)  # the first call wins: tests load models they made themselves
    begin("api", settings)


def pytest_generate_tests(metafunc):
    """Run tests marked ``both_databases`` once on each."""
    if "database" in metafunc.fixturenames and metafunc.definition.get_closest_marker("both_databases"):
        metafunc.parametrize("database", DATABASES, indirect=True)


@pytest.fixture
def clock():
    """The time; ``clock.advance(seconds=30)`` lets some pass."""
    return TestClock()


@pytest.fixture
def database(request):
    """Which database: ``sqlite``, or ``postgresql`` in a test marked ``both_databases``."""
    return getattr(request, "param", "sqlite")


@pytest.fixture(scope="session")
def empty_databases(tmp_path_factory):
    """Folder with an up-to-date and empty ``studio.db`` and ``mlflow.db``: copy them, never write to them."""
    from tests.schema import create_own_tables, create_tables_of_mlflow  # imports MLflow, which takes seconds

    folder = tmp_path_factory.mktemp("empty-databases")
    create_own_tables(f"sqlite:///{folder}/studio.db")
    create_tables_of_mlflow(f"sqlite:///{folder}/mlflow.db")
    return folder


@pytest.fixture
def database_urls(database, request, tmp_path):
    """Addresses of the test's own tables and of its MLflow's."""
    if database == "sqlite":
        for name in ("studio.db", "mlflow.db"):
            shutil.copyfile(request.getfixturevalue("empty_databases") / name, tmp_path / name)
        yield f"sqlite:///{tmp_path}/studio.db", f"sqlite:///{tmp_path}/mlflow.db"
        return
    from tests.schema import create_all_tables

    server = request.getfixturevalue("postgres_server")  # started when the first test needs it
    name = server.new_database(server.template("studio", create_all_tables))
    yield server.url_of(name), server.url_of(name)
    server.drop(name)


@pytest.fixture
def config(database_urls, tmp_path):
    """The settings: everything in ``tmp_path`` but the sockets, whose paths must be short."""
    sockets = Path(tempfile.mkdtemp(prefix="st-", dir="/tmp"))
    yield Config(
        data_folder=tmp_path,
        database_url=database_urls[0],
        mlflow_database_url=database_urls[1],
        runtime_folder=sockets,
        signing_secret=SECRET,
    ).prepare_folders()
    shutil.rmtree(sockets, ignore_errors=True)


@pytest.fixture
def runtime(config, clock):
    """Opens stores as the service does, at the test's time."""
    from studio.runtime import Runtime  # imports MLflow

    runtime = Runtime(config, clock=clock)
    yield runtime
    runtime.database.close()


@pytest.fixture
def open_stores(runtime):
    """Opens stores of a caller, else of an admin of ``acme``, committed at the end of the block.

    ``with open_stores(user="user-2", permissions=["model:read"]) as stores: ...``
    """

    def open_for(org="acme", user="user-1", permissions=(ADMIN,), *, write=True, email=None):
        given = {"email": email or f"{user}@example.org", "type": ActorType.USER}
        actor = Actor(organization=org, user_id=user, permissions=frozenset(permissions), **given)
        return runtime.open_stores(actor, write=write)

    return open_for


@pytest.fixture
def stores(open_stores):
    """Open writing stores of ``user-1``, an admin of ``acme``; nothing of them is kept.

    On SQLite they hold the write lock from their first statement: a test that also writes through ``client``,
    or from another process, opens its own with ``open_stores``.
    """
    with contextlib.suppress(EndUncommitted), open_stores() as stores:
        yield stores
        raise EndUncommitted


@pytest.fixture
def app(config, runtime):
    """The application."""
    from studio.app import create_app

    return create_app(config, runtime)


@pytest.fixture
def client(app):
    """Calls the application, in this process."""
    return app.test_client()


@pytest.fixture
def token(app):
    """Makes a caller's token, an admin's unless told otherwise; ``email=None`` is a service account."""
    from studio.web.identity import issue_token

    def make(org="acme", user="user-1", permissions=None, role=None, *, email="", lifetime_s=None, **claims):
        if permissions is None and role is None:
            role = ADMIN
        given = {
            "email": email if email != "" else f"{user}@example.org",
            "permissions": permissions,
            "role": role,
        }
        given = {name: value for name, value in given.items() if value is not None}
        return issue_token(app, user, {"org": org, **given, **claims}, lifetime_s=lifetime_s)

    return make


@pytest.fixture
def headers(token):
    """Makes the headers of a caller: ``headers()`` an admin of ``acme``, else what ``token`` takes."""
    return lambda *args, **claims: {"Authorization": f"Bearer {token(*args, **claims)}"}
