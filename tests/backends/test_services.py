"""The services the tests run against do what the tests expect of them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy

from tests.services import PostgresServer
from tests.waiting import is_readable

pytestmark = pytest.mark.slow


def test_databases_are_fresh_and_may_start_from_a_template(postgres_server: PostgresServer) -> None:
    def prepare(url: str) -> None:
        engine = sqlalchemy.create_engine(url)
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("CREATE TABLE ready (id int)"))
        engine.dispose()

    for _ in range(2):
        name = postgres_server.new_database(postgres_server.template("prepared", prepare))
        engine = sqlalchemy.create_engine(postgres_server.url_of(name))
        assert sqlalchemy.inspect(engine).get_table_names() == ["ready"]
        engine.dispose()
        postgres_server.drop(name)


def test_an_address_works_with_sqlalchemy(postgres_url: str) -> None:
    assert postgres_url.startswith("postgresql+psycopg://")
    engine = sqlalchemy.create_engine(postgres_url)
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("SHOW fsync")).scalar() == "off"
    assert sqlalchemy.inspect(engine).get_table_names() == []
    engine.dispose()


@pytest.mark.parametrize("service", ["PostgresServer", "S3Server"])
def test_a_service_does_not_outlive_a_killed_session(service: str) -> None:
    code = (
        f"import time; from tests.services import {service}\n"
        f"s = {service}(); print(s._guard.pid, s.folder, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as session:
        pid, folder = session.stdout.readline().split()
        guard = os.pidfd_open(int(pid))
        assert Path(folder).exists()
        session.send_signal(signal.SIGKILL)
    assert is_readable(guard, 30), "the guard still waits"
    os.close(guard)
    assert not Path(folder).exists()
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert folder not in process.read_text(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
