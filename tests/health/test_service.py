"""Readiness asks for real, and never hangs."""

import threading

import pytest
from pydantic import SecretStr

from studio.errors import TokenInvalid, TokenMissing
from studio.health import service
from studio.training import service as training


@pytest.fixture
def probes_of(open_stores):
    return lambda checks, **limits: service.Probes(lambda: open_stores(write=False), checks, **limits)


@pytest.mark.both_databases
def test_everything_works_once_a_worker_is_alive(open_stores, clock):
    probes = service.Probes(lambda: open_stores(write=False), limit_s=60)
    with open_stores() as stores:
        training.beat(stores.db, "worker-1", now=clock())
    found = probes.ask()
    assert found.is_ready
    assert {name: word for name, word in found.checks.items() if name != "sandbox"} == dict.fromkeys(
        ("database", "artifact_store", "mlflow", "queue"), "ok"
    )


def test_a_worker_that_fell_silent_fails_the_queue_alone(open_stores, clock):
    with open_stores() as stores:
        training.beat(stores.db, "worker-1", now=clock())
    clock.advance(seconds=60)
    found = service.Probes(lambda: open_stores(write=False), limit_s=60).ask()
    assert not found.is_ready
    assert [name for name, word in found.checks.items() if word == "failed"] == ["queue"]


def test_a_database_without_tables_fails(runtime, open_stores):
    with runtime.database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE workers")
    found = service.Probes(lambda: open_stores(write=False), limit_s=60).ask()
    assert found.checks["database"] == "failed"


def test_a_store_that_cannot_be_written_fails(config, open_stores):
    root = config.data_folder / "artifacts"
    root.rmdir() if root.is_dir() else None
    root.write_text("a file where the folder should be")
    found = service.Probes(lambda: open_stores(write=False), limit_s=60).ask()
    assert found.checks["artifact_store"] == "failed"


def test_a_missing_database_of_mlflow_fails(config, open_stores):
    with open(config.mlflow_database_url.removeprefix("sqlite:///"), "wb") as file:
        file.write(b"not a database, whatever its name says" * 100)
    found = service.Probes(lambda: open_stores(write=False), limit_s=60).ask()
    assert found.checks["mlflow"] == "failed"


def test_a_check_that_hangs_fails_and_is_not_started_twice(probes_of):
    started, end = [], threading.Event()

    def hang(stores):
        started.append(1)
        end.wait()

    probes = probes_of({"database": hang}, limit_s=0.05)
    answers = [probes.ask() for _ in range(3)]
    end.set()
    assert [answer.checks for answer in answers] == [{"database": "failed"}] * 3
    assert len(started) == 1


def test_an_answer_holds_for_a_while(probes_of):
    calls = []
    probes = probes_of({"database": lambda stores: calls.append(1)})
    probes.ask()
    assert probes.ask().is_ready
    assert len(calls) == 1


def test_without_a_sandbox_the_service_is_ready(probes_of):
    def fail(stores):
        raise RuntimeError("no namespaces")

    found = probes_of({"sandbox": fail}).ask()
    assert found.is_ready
    assert found.checks == {"sandbox": "off"}


def test_anyone_reads_the_figures_where_no_token_is_configured(stores):
    service.check_scraper(stores, None)


@pytest.mark.parametrize(
    ("header", "error"),
    [
        (None, TokenMissing),
        ("Basic scrape", TokenMissing),
        ("Bearer ", TokenMissing),
        ("Bearer other", TokenInvalid),
        ("Bearer scrapé", TokenInvalid),
    ],
)
def test_a_configured_token_is_asked_for(stores, header, error):
    stores.config = stores.config.model_copy(update={"metrics_token": SecretStr("scrape")})
    service.check_scraper(stores, "Bearer scrape")
    with pytest.raises(error):
        service.check_scraper(stores, header)
