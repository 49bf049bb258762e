"""No list reads a whole table that grows: every query of one goes by an index, on both databases."""

import re

import pytest
from sqlalchemy import event, text

from studio.audit import service as audit
from studio.training import service as training
from tests.factories import make_dataset, make_model
from tests.versions.factories import add_version

pytestmark = pytest.mark.both_databases

GROWING = {
    "api_keys", "audit_entries", "dataset_links", "dataset_uses", "datasets", "idempotency_keys", "members",
    "model_listing", "model_roles", "model_tags", "models", "notifications", "promotions", "refresh_tokens",
    "registry_marks", "revoked_tokens", "run_events", "stream_tickets", "training_runs", "training_schedules",
    "version_files",
}  # fmt: skip
MODELS = "/api/v1/models"
LISTS = [
    *(f"{MODELS}?sort_by={key}&sort_order={way}" for key in ("name", "created_at", "updated_at", "status")
      for way in ("asc", "desc")),
    f"{MODELS}?status=ready&model_type=auto&task_type=classification",
    f"{MODELS}?search=late+risk&tags=eu,risk&sort_by=name",
    f"{MODELS}?search=parcels",
    f"{MODELS}/dashboard/stats",
    f"{MODELS}/dashboard/stats?model_type=auto",
    *(f"{MODELS}/datasets?sort_by={key}" for key in ("name", "created_at", "rows")),
    f"{MODELS}/datasets?search=parcels",
    f"{MODELS}/audit-logs",
    f"{MODELS}/audit-logs?action=model.created&actor_id=user-1&sort_order=asc",
    f"{MODELS}/audit-logs?from=2020-01-01&to=2030-01-01&model_id=mdl-00000000",
    f"{MODELS}/audit-logs/verify",
    "/api/v1/auth/api-keys",
    "/api/v1/organization/members",
    "/api/v1/organization/members?search=example",
]  # fmt: skip
OF_A_MODEL = [
    "versions?sort_by=trained_at",
    "versions/history",
    "versions/history?at=2026-05-01",
    "registry/training-runs?sort_by=created_at",
    "registry/training-runs?sort_by=duration_seconds&status=completed",
    "collaborators",
    "audit-logs",
    "audit-logs?action=model.created&actor_id=user-1",
    "training-metrics/logs?limit=5",
    "training-metrics/logs?tail=true&level=error",
]
CALLERS = [{"role": "organization:admin"}, {"user": "li", "permissions": ["model:read", "dataset:read"]}]
STREAMED = ["application/x-ndjson", "text/csv"]


@pytest.fixture
def queries(runtime):
    """Statements that read, with their parameters, since ``clear`` was called."""
    seen = []

    @event.listens_for(runtime.database.engine, "before_cursor_execute")
    def note(connection, cursor, statement, parameters, context, executemany):
        if statement.lstrip().startswith(("SELECT", "WITH")) and "set_config" not in statement:
            seen.append((statement, parameters))

    yield seen
    event.remove(runtime.database.engine, "before_cursor_execute", note)


@pytest.fixture
def model(open_stores):
    """A model with a version, in an installation that holds a little of everything."""
    with open_stores() as stores:
        model = make_model(stores, dataset=make_dataset(stores))
        audit.append_entry(stores, "model.created", model_id=model.id, details={})
    with open_stores() as stores:
        add_version(stores, model)
    with open_stores() as stores:
        training.start_run(stores, model.id)
    return model


def whole_reads(database, queries):
    """Reads of a whole table that grows, as the plans of some queries tell them."""
    found = []
    with database.engine.connect() as connection:
        for statement, parameters in queries:
            if database.is_sqlite:
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
                aliases = dict(re.findall(r"\b(?:FROM|JOIN) (\w+) AS (\w+)", statement))
                named = {alias: table for table, alias in aliases.items()}
                scans = [re.match(r"SCAN (\w+)(?! VIRTUAL)", row[3]) for row in plan]
                tables = [named.get(scan[1], scan[1]) for scan in scans if scan]
            else:
                connection.execute(text("SET LOCAL enable_seqscan = off"))
                plan = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).all()
                tables = [scan[1] for row in plan if (scan := re.search(r"Seq Scan on (\w+)", row[0]))]
            found += [(table, statement, [*map(str, plan)]) for table in tables if table in GROWING]
    return found


@pytest.mark.parametrize("path", LISTS)
def test_a_list_of_the_organization(runtime, client, headers, model, queries, path):
    for caller in CALLERS:
        for number in range(2):  # a caller's first call makes a member
            queries.clear()
            answer = client.get(path, headers=headers(**caller))
            assert answer.status_code == 200 or (answer.status_code == 403 and caller is not CALLERS[0]), answer.text
            assert number == 0 or queries
        assert whole_reads(runtime.database, queries) == []


@pytest.mark.parametrize("path", OF_A_MODEL)
def test_a_list_of_a_model(runtime, client, headers, model, queries, path):
    for caller in CALLERS:
        queries.clear()
        answer = client.get(f"{MODELS}/{model.id}/{path}", headers=headers(**caller))
        assert answer.status_code == 200, answer.text
        assert queries
        assert whole_reads(runtime.database, queries) == []


@pytest.mark.parametrize("media_type", STREAMED)
def test_an_audit_log_as_a_stream(runtime, client, headers, model, queries, media_type):
    for path in (f"{MODELS}/audit-logs", f"{MODELS}/{model.id}/audit-logs"):
        assert client.get(path, headers={**headers(), "Accept": media_type}).text
    assert whole_reads(runtime.database, queries) == []
    if runtime.database.is_sqlite:  # nor are all entries gathered to be sorted before the first is sent
        with runtime.database.engine.connect() as connection:
            entries = [query for query in queries if "audit_entries.details" in query[0]]
            plans = [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", given).all() for sql, given in entries]
        assert plans
        assert not [row for plan in plans for row in plan if "TEMP B-TREE" in row[3]]


def test_orders_of_models_are_indexes(runtime, client, headers, model, queries):
    if not runtime.database.is_sqlite:
        return  # PostgreSQL weighs what sorting a handful of models costs
    for path in LISTS[:8]:
        client.get(path, headers=headers())
        queries.clear()
        client.get(path, headers=headers())
        [(statement, parameters)] = [query for query in queries if "LIMIT" in query[0] and "model_listing" in query[0]]
        with runtime.database.engine.connect() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
        walked = [row for row in plan if "COVERING INDEX ix_model_listing_" in row[3]]
        assert walked, plan  # only the lines of the page are then sorted
