"""Listing, searching and filtering a hundred thousand models, on SQLite and on PostgreSQL.

The API under gunicorn, as ``studio api`` starts it, with the rate limit out of the way: one client with a kept
connection calls, a token is checked on every call, and a latency is from the request sent to the whole answer received.
Kinds of query take turns at random, each equally often, by an administrator and by a member who does not see the
private models of others. ``sqlite_p95_ms`` and ``postgres_p95_ms`` are over all calls, ``<database>_<kind>_p95_ms``
over those of one kind; ``everywhere`` is a word that stands in every name.

What the listing costs those who write: ``create_p50_ms`` is a model created over the API, ``create_ratio`` that over
the same with the triggers off that keep the listing, taking turns.

The peer is MLflow's own server with as many registered models of these names and tags on SQLite, asked for the first
page, by a part of the name and by a tag. It counts nothing and pages by tokens alone. Rows of both are inserted with
SQL. PostgreSQL has been vacuumed, as it does by itself within a minute.
"""

import argparse
import json
import random
import time
from contextlib import contextmanager
from urllib.parse import urlencode

from sqlalchemy import text

from studio.db.session import Database
from studio.models.tables import SQLITE_TRIGGERS
from tests.benchmarks.figures import emit, median, percentile, ratio, show
from tests.benchmarks.listed_models import KNOWN, ORGANIZATION, TAGS, fill_mlflow, fill_models
from tests.benchmarks.load import Connection, get_request
from tests.benchmarks.service import mlflow_server, studio_server, temporary_folder
from tests.services import PostgresServer

MODELS = "/api/v1/models"
MLFLOW = "/api/2.0/mlflow/registered-models/search"
BAR_MS = 50
WARM_UP = 3
DATABASES = ("sqlite", "postgres")


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=int, default=100_000)
    parser.add_argument("--calls", type=int, default=40, help="of each kind")
    parser.add_argument("--creations", type=int, default=40, help="with the listing kept, and as many without")
    options = parser.parse_args()
    figures = {"models": options.models, "calls_of_each_kind": options.calls, "bar_ms": BAR_MS}
    for name in DATABASES:
        with temporary_folder() as folder, urls(name, folder) as (own, mlflow):
            server = studio_server(
                folder, command="api", rate_limit_per_minute=100_000_000, database_url=own, mlflow_database_url=mlflow
            )
            server.run("db", "upgrade")
            fill_models(own, options.models)
            with server.running():
                found = measure_lists(server, options) | measure_creations(server, own, options)
            figures |= {f"{name}_{key}": value for key, value in found.items()}
    figures |= measure_mlflow(options)
    emit("listing", figures)


@contextmanager
def urls(name, folder):
    """Addresses of the own tables and of MLflow's, in new databases."""
    if name == "sqlite":
        (folder / "data").mkdir()
        yield f"sqlite:///{folder}/data/studio.db", f"sqlite:///{folder}/data/mlflow.db"
        return
    server = PostgresServer()
    try:
        url = server.url_of(server.new_database())
        yield url, url
    finally:
        server.stop()


def kinds(draw, count):
    """Queries by kind, each drawn anew; pages are those of an organization with so many models."""
    last = int(count * 0.8 / 20)  # what is not archived, and not hidden from a member
    word, other = draw.sample(KNOWN[:6], 2)
    order = {"sort_order": draw.choice(["asc", "desc"])}
    early = {**order, "page": draw.randint(1, 20)}
    return {
        "list": {},
        "page_of_100": {"page_size": 100, "page": draw.randint(1, 20)},
        "page_in_the_middle": {"page": last // 2, **order},
        "page_5000": {"page": int(count * 0.05), "page_size": 16, **order},
        "by_name": {"sort_by": "name", **early},
        "by_updated": {"sort_by": "updated_at", **early},
        "by_status": {"sort_by": "status", **early},
        "of_status": {"status": draw.choice(["ready", "draft", "training", "archived", "failed"]), **order},
        "of_type_and_task": {"model_type": draw.choice(["auto", "custom"]), "task_type": "regression", **order},
        "tag": {"tags": draw.choice(TAGS[1:]), **order},
        "tag_of_most": {"tags": TAGS[0], **early},
        "two_tags": {"tags": f"{TAGS[0]},{draw.choice(TAGS[1:20])}", **order},
        "search_rare": {"search": f"{draw.randrange(count):06d}"},
        "search_common": {"search": word.upper(), **early},
        "search_two_words": {"search": f"{word} {other}", **order},
        "search_beginning": {"search": word[:2], **order},
        "search_everywhere": {"search": "model", **early},
        "search_everywhere_page_2000": {"search": "model", "page": count // 50, **order},
        "search_nothing": {"search": "zebra"},
        "search_and_filters": {"search": word, "tags": TAGS[0], "status": "ready", "sort_by": "name", **early},
    }


def measure_lists(server, options):
    """Percentiles over all calls and by kind."""
    draw, connection, found = random.Random(1), Connection(server.port), {}
    callers = [
        headers_of(server, "--role", "organization:admin"),
        headers_of(server, "--user", "user-3", "--email", "user-3@example.org", "--permissions", "model:read"),
    ]
    for number in range(-WARM_UP, options.calls):
        caller, asked = callers[number % 2], list(kinds(draw, options.models).items())
        for kind, query in draw.sample(asked, len(asked)):
            request = get_request(server.port, f"{MODELS}?{urlencode(query)}", **caller)
            started = time.perf_counter()
            answer = connection.call(request)
            if number >= 0:
                found.setdefault(kind, []).append(1000 * (time.perf_counter() - started))
            check(kind, query, json.loads(answer))
    connection.close()
    latencies = [latency for of_kind in found.values() for latency in of_kind]
    figures = {"p95_ms": percentile(latencies, 0.95), "p50_ms": percentile(latencies, 0.5)}
    figures |= {f"{kind}_p95_ms": percentile(of_kind, 0.95) for kind, of_kind in sorted(found.items())}
    figures["kinds_over_bar"] = sum(percentile(of_kind, 0.95) > BAR_MS for of_kind in found.values())
    show(figures)
    return figures


def check(kind, query, answer):
    """Raises SystemExit unless the answer is one of the kind."""
    expected = {"search_nothing": range(1), "search_rare": range(2)}  # the one model may be archived, or hidden
    if len(answer["results"]) not in expected.get(kind, range(1, query.get("page_size", 20) + 1)):
        raise SystemExit(f"{kind} {query} was answered {str(answer)[:300]}")


def measure_creations(server, url, options):
    """How long a creation takes with the listing kept and without, in turns of ten."""
    connection, header, found = Connection(server.port), headers_of(server), {True: [], False: []}
    for number in range(2 * options.creations):
        is_kept = number // 10 % 2 == 0
        if number % 10 == 0:
            keep_listing(url, is_kept)
        body = json.dumps({
            "name": f"created {number}", "description": "as many words as a description has, more or less, of risk",
            "model_type": "auto", "task_type": "classification", "tags": ["production", "team-1", "project-1"],
        }).encode()  # fmt: skip
        started = time.perf_counter()
        connection.call(post_request(server.port, MODELS, body, **header), status=201)
        found[is_kept].append(1000 * (time.perf_counter() - started))
    connection.close()
    keep_listing(url, True)
    kept, without = (median(found[is_kept]) for is_kept in (True, False))
    figures = {"create_p50_ms": kept, "create_without_listing_p50_ms": without, "create_ratio": ratio(kept, without)}
    show(figures)
    return figures


def keep_listing(url, is_kept):
    """Switch the triggers that keep the listing on or off."""
    database = Database(url)
    with database.transaction(write=True) as db:
        for trigger in SQLITE_TRIGGERS if database.is_sqlite else ():
            name = trigger.split()[2]
            db.connection().exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}")
            if is_kept:
                db.connection().exec_driver_sql(trigger)
        for table in () if database.is_sqlite else ("models", "model_tags", "model_roles"):
            db.execute(text(f"ALTER TABLE {table} {'ENABLE' if is_kept else 'DISABLE'} TRIGGER USER"))
    database.close()


def measure_mlflow(options):
    """The same of MLflow's server, as far as it has it."""
    with temporary_folder() as folder:
        fill_mlflow(folder, options.models)
        server = mlflow_server(folder, "--workers", "2")
        draw, figures = random.Random(1), {}
        asked = {
            "list": dict,
            "search_rare": lambda: {"filter": f"name ILIKE '%{draw.randrange(options.models):06d}%'"},
            "search_common": lambda: {"filter": f"name ILIKE '%{draw.choice(KNOWN[:6])}%'"},
            "tag": lambda: {"filter": f"tag.`{draw.choice(TAGS[1:])}` = 'yes'"},
        }
        with server.running():
            connection = Connection(server.port)
            for kind, query in asked.items():
                found = []
                for number in range(WARM_UP + options.calls):
                    path = f"{MLFLOW}?{urlencode({'max_results': 20, **query()})}"
                    started = time.perf_counter()
                    connection.call(get_request(server.port, path))
                    if number >= WARM_UP:
                        found.append(1000 * (time.perf_counter() - started))
                figures[f"mlflow_{kind}_p95_ms"] = percentile(found, 0.95)
            connection.close()
    show(figures)
    return figures


def headers_of(server, *options):
    """Headers of a caller of the organization."""
    token = server.run("token", "create", "--org", ORGANIZATION, "--lifetime", "86400", *options)
    return {"Authorization": f"Bearer {token}"}


def post_request(port, path, body, **headers):
    """A POST of JSON as it goes over the wire."""
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


if __name__ == "__main__":
    main()
