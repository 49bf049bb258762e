"""Entries that somebody has tampered with are still listed, in every form, and found."""

import csv
import io
import json

import pytest

from studio.audit import service
from tests.audit.chains import fill, tamper

pytestmark = pytest.mark.both_databases

LOG = "/api/v1/models/audit-logs"
DEEP = "[" * 100_000
MARKED = [  # what is put into entry 3, what is told to be unreadable
    ("details = 'not JSON'", ["details"]),
    ("details = ''", ["details"]),
    ("details = '7'", ["details"]),
    ("details = '[1]'", ["details"]),
    ("details = 'null'", ["details"]),
    ("details = '{\"n\":NaN}'", ["details"]),
    (f"details = '{DEEP}'", ["details"]),
    ("actor_type = 'ghost'", ["actor_type"]),
    ("actor_type = 'ghost', details = '{'", ["actor_type", "details"]),
]
UNMARKED = [
    "details = '{\"n\":3}'",
    "details = '{\"n\":123456789012345678901234567890}'",
    "details = '{\"n\":1e999}'",
    'details = \'{"n":7,"n":2,"x":0.1}\'',  # as a reader takes it that is what was written
    'details = \'{"n":2, "x":0.1}\'',
    "action = 'model.eaten'",
    "model_id = 'nothing of ours'",
    "user_id = ''",
    "previous_hash = 'x'",
    "hash = ''",
]


@pytest.mark.parametrize(("change", "unreadable"), [*MARKED, *((change, None) for change in UNMARKED)])
def test_a_tampered_entry_is_listed_marked_and_found(ask, open_stores, change, unreadable):
    with open_stores() as stores:
        number = fill(stores, 3)[-1].number
        tamper(stores, f"UPDATE audit_entries SET {change} WHERE number = {number}")

    answer = ask()
    assert (answer.status_code, answer.json["total"]) == (200, 4)
    marked = {entry["entry_id"]: entry["unreadable"] for entry in answer.json["results"] if "unreadable" in entry}
    assert marked == ({f"aud-{number:010d}": unreadable} if unreadable else {})
    details = [entry["details"] for entry in answer.json["results"]]
    assert [[*told] for told in details].count(["unreadable"]) == ("details" in (unreadable or ()))
    lines = [json.loads(line) for line in ask(accept="application/x-ndjson").text.splitlines()]
    assert lines == answer.json["results"]
    rows = [*csv.DictReader(io.StringIO(ask(accept="text/csv").text, newline=""))]
    assert [json.loads(row["details"]) for row in rows] == [line["details"] for line in lines]
    verdict = ask(f"{LOG}/verify").json
    assert (verdict["valid"], verdict["first_invalid"]) == (False, f"aud-{number:010d}")


def test_a_model_s_log_holds_them_too(ask, open_stores, client, headers):
    body = {"name": "one", "model_type": "auto", "task_type": "regression"}
    model = client.post("/api/v1/models", json=body, headers=headers()).json
    with open_stores() as stores:
        tamper(stores, f"UPDATE audit_entries SET details = '{{' WHERE model_id = '{model['id']}'")
    answer = ask(f"/api/v1/models/{model['id']}/audit-logs")
    assert [entry["unreadable"] for entry in answer.json["results"]] == [["details"]]


@pytest.mark.parametrize("change", ["timestamp = '2999'", "timestamp = 'never'", "timestamp = 7", "number = 'three'"])
def test_what_only_sqlite_lets_somebody_write_is_found(open_stores, database, change):
    if database != "sqlite":
        change = "timestamp = '2999-01-01'"
    with open_stores() as stores:
        fill(stores, 3)
        tamper(stores, f"UPDATE audit_entries SET {change} WHERE number = 2")
    with open_stores(write=False) as stores:
        assert not service.verify_chain(stores).valid
        assert len(service.list_entries(stores, service.AuditFilter(), page=1, page_size=9).results) >= 2


def test_an_unreadable_time_within_the_period_is_listed(open_stores, database):
    if database != "sqlite":
        return  # PostgreSQL keeps nothing but times there
    with open_stores() as stores:
        fill(stores, 1)
        tamper(stores, "UPDATE audit_entries SET timestamp = substr(timestamp, 1, 10) || ' !noon'")
    with open_stores(write=False) as stores:
        until = stores.now().replace(hour=23, minute=59, second=59)
        [entry] = service.list_entries(stores, service.AuditFilter(until=until), page=1, page_size=9).results
        assert entry.unreadable == ("timestamp",)
