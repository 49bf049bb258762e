"""Queries on the PostgreSQL servers an administrator opened."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import URL, Connection, CursorResult, NullPool, create_engine
from sqlalchemy.exc import DBAPIError, OperationalError

from studio.backends.sources.credentials import Credentials, find_credentials
from studio.backends.sources.refusals import not_allowed, too_large, unreachable
from studio.config import Config
from studio.errors import InvalidInput

DEFAULT_PORT = 5432
CONNECT_TIMEOUT_S = 10
QUERY_TIMEOUT_S = 300
FIRST_ROWS, MOST_ROWS = 100, 5000
PIECE_BYTES = 16 << 20  # rows are fetched by their size, as far as those before them tell it
SELECT = re.compile(r"\s*(select|with)\b", re.IGNORECASE)

# By the numbers PostgreSQL gives its types; all others are kept as text.
STORAGE: dict[int, pa.DataType] = {
    16: pa.bool_(),
    20: pa.int64(),
    21: pa.int64(),
    23: pa.int64(),
    26: pa.int64(),
    700: pa.float64(),
    701: pa.float64(),
    1082: pa.date32(),
    1114: pa.timestamp("us"),
    1184: pa.timestamp("us", tz="UTC"),
    1186: pa.duration("us"),
    1700: pa.float64(),
}


@dataclass(frozen=True)
class _Server:
    host: str
    port: int
    database: str


def run_query(config: Config, organization: str, uri: str, query: str, credentials_ref: str, target: Path) -> None:
    """Stream the rows of one SELECT to a Parquet file, in a transaction that can change nothing.

    Args:
        config: The settings.
        organization: Who asks.
        uri: ``postgresql://host[:port]/database``.
        query: One SELECT.
        credentials_ref: Name of a credential set.
        target: Where the rows go.

    Raises:
        SourceNotAllowed: It is not such a URI, or not an allowed host.
        SourceUnreachable: The server does not answer, refuses the credentials, or takes longer than five minutes.
        InvalidInput: It is not one SELECT the database takes.
        TooLarge: The rows have more bytes than a dataset may.
    """
    server = _parse(uri)
    place = _place_of(server)
    if place not in config.source_sql_hosts and f"{server.host}:{server.port}" not in config.source_sql_hosts:
        raise not_allowed("This database server is not open for imports.")
    credentials = find_credentials(
        config.source_credentials_file, credentials_ref, organization=organization, place=place
    )
    if not SELECT.match(query):
        raise _refused_query("must be one SELECT")
    engine = create_engine(_url_of(server, credentials), poolclass=NullPool, connect_args=_options(credentials))
    try:
        with engine.connect() as connection:
            _stream(connection, query, target, config.dataset_limit_bytes)
    except OperationalError as error:
        raise unreachable("The database does not answer, refuses the credentials, or takes too long.") from error
    except DBAPIError as error:
        diagnosis = getattr(error.orig, "diag", None)
        raise _refused_query(getattr(diagnosis, "message_primary", None) or str(error.orig)) from error


def _parse(uri: str) -> _Server:
    try:
        parts = urlsplit(uri)
        port = parts.port or DEFAULT_PORT
    except ValueError as error:
        raise not_allowed("A database is named as postgresql://host:port/database.") from error
    database = unquote(parts.path.removeprefix("/"))
    # Parameters could name another host: the driver gives them precedence.
    extras = "@" in parts.netloc or parts.query or parts.fragment
    if parts.scheme != "postgresql" or not parts.hostname or not database or extras:
        raise not_allowed("A database is named as postgresql://host:port/database, without credentials or parameters.")
    return _Server(parts.hostname, port, database)


def _place_of(server: _Server) -> str:
    return server.host if server.port == DEFAULT_PORT else f"{server.host}:{server.port}"


def _url_of(server: _Server, credentials: Credentials) -> URL:
    return URL.create(
        "postgresql+psycopg",
        credentials.user,
        credentials.password,
        server.host,
        server.port,
        server.database,
    )


def _options(credentials: Credentials) -> dict[str, Any]:
    settings = f"-c default_transaction_read_only=on -c statement_timeout={QUERY_TIMEOUT_S * 1000}"
    sslmode = {"sslmode": credentials.sslmode} if credentials.sslmode else {}
    return {"connect_timeout": CONNECT_TIMEOUT_S, "options": settings, **sslmode}


def _stream(connection: Connection, query: str, target: Path, limit_bytes: int) -> None:
    # A cursor on the server takes one SELECT alone; without parameters a % in the query is just that.
    options = {"stream_results": True, "no_parameters": True, "postgresql_readonly": True}
    result = connection.execution_options(**options).exec_driver_sql(query)
    schema = _schema_of(result)
    converters = [_converter_to(field.type) for field in schema]
    size_bytes, rows_at_once = 0, FIRST_ROWS
    with pq.ParquetWriter(target, schema, compression="zstd") as writer:
        while rows := result.fetchmany(rows_at_once):
            batch = _batch_of(rows, schema, converters)
            size_bytes += batch.nbytes
            if size_bytes > limit_bytes:
                raise too_large(limit_bytes)
            writer.write_batch(batch)
            rows_at_once = max(1, min(MOST_ROWS, PIECE_BYTES * len(rows) // max(batch.nbytes, 1)))


def _schema_of(result: CursorResult[Any]) -> pa.Schema:
    assert result.cursor is not None
    columns: Sequence[tuple[Any, ...]] = result.cursor.description
    return pa.schema([(column[0], STORAGE.get(column[1], pa.string())) for column in columns])


def _batch_of(rows: Sequence[Any], schema: pa.Schema, converters: Sequence[Callable[[Any], Any]]) -> pa.RecordBatch:
    arrays = [
        pa.array([None if value is None else convert(value) for value in values], type=field.type)
        for values, field, convert in zip(zip(*rows, strict=True), schema, converters, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _converter_to(storage: pa.DataType) -> Callable[[Any], Any]:
    if storage == pa.float64():
        return float
    return _as_text if storage == pa.string() else lambda value: value


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    return json.dumps(value, default=str) if isinstance(value, dict | list) else str(value)


def _refused_query(why: str) -> InvalidInput:
    return InvalidInput("The database does not take this query.", fields=[("/source/query", why)])
