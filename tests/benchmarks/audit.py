"""Audit entries per second, appended by eight processes at once to the chain of one organization.

Each writer opens stores and appends one entry in a transaction of its own, again and again, as calls do; the time is
that from the moment all are ready to the last commit. Measured on SQLite and on PostgreSQL, each with the durability
the service has there; afterwards every chain must be whole and hold every entry. ``one_writer_*`` is the same with
one process. Not measured: the changes the entries tell of, and HTTP.
"""

import argparse
import multiprocessing
import time

import psycopg

from studio.audit import service as audit
from studio.config import Config
from studio.db.upgrade import upgrade
from studio.domain.actors import system_actor
from studio.process import begin
from tests.benchmarks.figures import emit, median, show
from tests.benchmarks.service import temporary_folder
from tests.services import PostgresServer

WRITERS = 8
START_TIMEOUT_S = 30


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--appends", type=int, default=100, help="entries of each writer")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with temporary_folder() as folder:
        begin("tool", Config(data_folder=folder, runtime_folder=folder, log_level="warning"))
    server = PostgresServer()
    try:
        make_durable(server)
        found = [measure(server, options.appends) for _ in range(options.rounds)]
    finally:
        server.stop()
    figures = {key: median([round_[key] for round_ in found]) for key in found[0]}
    every = {f"all_{key}": [round_[key] for round_ in found] for key in found[0] if "one" not in key}
    emit("audit", {"writers": WRITERS, "rounds": len(found), **figures, **every})


def make_durable(server):
    """Let the server of the tests wait for the disk, as one of an installation does."""
    with psycopg.connect(server.url_of("postgres").replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM RESET ALL")
        connection.execute("SELECT pg_reload_conf()")


def measure(server, appends):
    """One round: each database with one writer, then with all."""
    found = {}
    for prefix in ("", "postgres_"):
        for name, writers in (("one_writer_", 1), ("", WRITERS)):
            found[f"{name}{prefix}appends_per_second"] = measure_fresh(server if prefix else None, writers, appends)
    show(found)
    return found


def measure_fresh(server, writers, appends):
    """Entries per second in a fresh database, of the server or in a SQLite file."""
    with temporary_folder() as folder:
        name = server and server.new_database()
        url = server.url_of(name) if server else f"sqlite:///{folder}/studio.db"
        config = Config(data_folder=folder, runtime_folder=folder, database_url=url, mlflow_database_url=url)
        upgrade(config)
        verify(config)  # imports for all writers
        try:
            seconds = write_at_once(config, writers, appends)
            verdict = verify(config)
        finally:
            if server:
                server.drop(name)
    if not verdict.valid or verdict.entries != writers * appends:
        raise SystemExit(f"the chain is not what was written: {verdict}")
    return writers * appends / seconds


def write_at_once(config, writers, appends):
    """Seconds the writers took together."""
    processes = multiprocessing.get_context("fork")  # the heavy imports are done once
    ready = processes.Barrier(writers + 1)
    started = [processes.Process(target=write, args=(config, ready, appends)) for _ in range(writers)]
    for process in started:
        process.start()
    ready.wait(START_TIMEOUT_S)
    begun = time.monotonic()
    for process in started:
        process.join()
    if any(process.exitcode for process in started):
        raise SystemExit("a writer failed")
    return time.monotonic() - begun


def runtime_of(config):
    """Opens stores as the service does."""
    from studio.runtime import Runtime  # MLflow reads what begin set while it is imported

    return Runtime(config)


def write(config, ready, appends):
    """Append so many entries, each in a transaction of its own."""
    runtime = runtime_of(config)
    with runtime.open_stores(system_actor("acme"), write=False) as stores:
        audit.list_organizations(stores)  # connects
    ready.wait(START_TIMEOUT_S)
    for number in range(appends):
        with runtime.open_stores(system_actor("acme"), write=True) as stores:
            audit.append_entry(stores, "model.updated", model_id="mdl-00c0ffee", details={"name": f"name {number}"})


def verify(config):
    """What the chain is afterwards."""
    runtime = runtime_of(config)
    with runtime.open_stores(system_actor("acme"), write=False) as stores:
        verdict = audit.verify_chain(stores)
    runtime.database.close()  # no writer shall inherit a connection
    return verdict


if __name__ == "__main__":
    main()
