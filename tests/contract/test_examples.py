"""The bodies the OpenAPI document shows are bodies the operations take."""

import pytest

from tests.contract.calls import NEEDS_TRAINING, PREPARE, Call
from tests.contract.documented import faults_of
from tests.contract.offered import each, offered
from tests.contract.published import needs_contract

pytestmark = needs_contract

# What an example names and an installation has under another name, or only once: taken from the prepared call.
OWN = {"name", "dataset_id", "model_id", "user_id", "email", "user_email", "api_key"}
ELSEWHERE = {"dataset.create": "source_not_allowed"}  # what may be imported is for each installation to say


def has_example(promise):
    body = offered()[promise.id].operation.body
    return body is not None and bool(body.fields)


each_example = each(has_example, marks=lambda promise: [pytest.mark.slow] if promise.id in NEEDS_TRAINING else [])


def content_of(document, promise):
    return document["paths"][promise.path][promise.method.lower()]["requestBody"]["content"]["application/json"]


@each_example
def test_it_is_of_its_schema(document, promise):
    content = content_of(document, promise)
    assert not faults_of(document, content["schema"], content["example"])


@each_example
def test_it_is_taken(place, document, promise):
    prepared = PREPARE[promise.id](place)
    sent = prepared.body.get("json") or {"model_id": place.make_model()}
    body = content_of(document, promise)["example"]
    body = body | {name: value for name, value in sent.items() if name in OWN and name in body}
    answer = place.call(promise, Call(prepared.path, prepared.query, {"json": body}), place.admin())
    expected = (422, ELSEWHERE[promise.id]) if promise.id in ELSEWHERE else (promise.success, None)
    assert (answer.status_code, (answer.json or {}).get("code")) == expected, answer.text


@each()
def test_it_is_described_in_words(document, promise):
    entry = document["paths"][promise.path][promise.method.lower()]
    assert entry["summary"].endswith(".")
    assert ("Open to everybody." in entry["description"]) == promise.is_public
    assert (f"audit entry `{promise.audit}`" in entry["description"]) == bool(promise.audit)


def test_every_room_is_described(document):
    rooms = {tag["name"]: tag["description"] for tag in document["tags"]}
    assert all(rooms.values()), rooms
    entries = [entry for item in document["paths"].values() for entry in item.values() if "responses" in entry]
    used = {tag for entry in entries for tag in entry["tags"]}
    assert used == set(rooms)
