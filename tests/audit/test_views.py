"""The audit log over HTTP: pages with bounds, streams of everything, entries of models that are gone."""

import csv
import io
import json

import pytest

from studio.audit import service
from studio.domain.actors import Actor
from tests.audit.chains import fill
from tests.factories import make_model

pytestmark = pytest.mark.both_databases

LOG = "/api/v1/models/audit-logs"
MANY = service.BATCH + 5  # more than are read from the database at once


def test_entries_outlive_their_model(ask, client, headers, open_stores):
    with open_stores() as stores:
        model = make_model(stores)
        fill(stores, 2, model_id=model.id)
    assert client.delete(f"/api/v1/models/{model.id}", headers=headers()).status_code == 204

    assert ask(f"/api/v1/models/{model.id}/audit-logs").status_code == 404
    found = ask(model_id=model.id).json
    assert [entry["action"] for entry in found["results"]] == ["model.deleted", "model.created", "model.created"]
    assert ask(LOG + "/verify").json["valid"] is True


def test_both_bounds_of_a_page(ask, open_stores):
    with open_stores() as stores:
        fill(stores, 201, model_id="mdl-00000001")

    full = ask(page_size=200, model_id="mdl-00000001").json
    assert (full["total"], full["page_size"], len(full["results"])) == (201, 200, 200)
    rest = ask(page_size=200, page=2, model_id="mdl-00000001").json
    assert len(rest["results"]) == 1
    assert len(ask(page_size=1).json["results"]) == 1
    assert [ask(page_size=size).status_code for size in (0, 201)] == [422, 422]


def test_ndjson_streams_every_entry_whatever_the_page(ask, open_stores):
    with open_stores() as stores:
        entries = fill(stores, MANY, model_id="mdl-00000001")

    query = {"model_id": "mdl-00000001", "sort_order": "asc", "page": 3, "page_size": 7}
    answer = ask(accept="application/x-ndjson", **query)
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert answer.mimetype == "application/x-ndjson"
    assert [line["entry_id"] for line in lines] == [entry.id for entry in entries]
    assert lines[:7] == ask(**query | {"page": 1}).json["results"]


def test_csv_streams_every_entry_and_starts_no_formula(ask, open_stores):
    details = {"name": 'Größe "L", 🚚', "nested": {"n": [1, None]}}
    eve = Actor("acme", user_id="=HYPERLINK(1)", email="+eve@example.org")
    with open_stores() as stores:
        fill(stores, MANY, model_id="mdl-00000001", details=details, actor=eve, request_id="@id", ip_address="-1")

    answer = ask(accept="text/csv", model_id="mdl-00000001", sort_order="asc", page_size=1)
    header, *rows = csv.reader(io.StringIO(answer.text, newline=""))
    assert len(rows) == MANY
    first = dict(zip(header, rows[0], strict=True))
    assert json.loads(first.pop("details")) == details
    assert {name: value for name, value in first.items() if name.startswith("actor_")} == {
        "actor_user_id": "'=HYPERLINK(1)",
        "actor_email": "'+eve@example.org",
        "actor_type": "user",
    }
    assert (first["request_id"], first["ip_address"]) == ("'@id", "'-1")
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]
