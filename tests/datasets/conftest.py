"""A database to import from: the session's PostgreSQL, which has a Unix socket alone, behind a port."""

import contextlib
import socket
import socketserver
import threading

import psycopg
import pytest

TABLE = """
CREATE TABLE parcels (
    id serial, weight numeric, is_late boolean, sent_at timestamptz, day date, took interval, carrier text, zip text,
    extras jsonb
);
INSERT INTO parcels (weight, is_late, sent_at, day, took, carrier, zip, extras) VALUES
    (2.5, true, '2026-05-01 10:00+02', '2026-05-01', '90 s', 'Ansa', '01067', '{"a": 1}'),
    (NULL, false, '2026-05-02 10:00+02', '2026-05-02', '30 s', 'Ansa', '01069', NULL),
    ('NaN', NULL, NULL, NULL, NULL, 'Nordvik', NULL, NULL)
"""


def _pump(source, target):
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="session")
def warehouse(postgres_server):
    """Port and name of a database with a table ``parcels``."""
    database = postgres_server.new_database()
    with psycopg.connect(postgres_server.url_of(database).replace("+psycopg", "")) as connection:
        connection.execute(TABLE)
        path = f"{connection.info.host}/.s.PGSQL.{connection.info.port}"

    class Relay(socketserver.BaseRequestHandler):
        def handle(self):
            with socket.socket(socket.AF_UNIX) as upstream:
                upstream.connect(path)
                back = threading.Thread(target=_pump, args=(upstream, self.request))
                back.start()
                _pump(self.request, upstream)
                back.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Relay) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1], database
        server.shutdown()
        thread.join()
    postgres_server.drop(database)


@pytest.fixture
def warehouse_client(warehouse, postgres_server):
    """A plain connection to it, for looking at what was done."""
    url = postgres_server.url_of(warehouse[1]).replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        yield connection
