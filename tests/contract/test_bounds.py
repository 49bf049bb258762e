"""The last value that every bound allows is taken, and the first beyond it is refused where it stands."""

import io

from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from tests.contract.bounds import NEAR, bounds_of, put
from tests.contract.calls import Call
from tests.contract.documented import parameters_of
from tests.contract.offered import each
from tests.contract.published import needs_contract

pytestmark = needs_contract

MULTIPART = "multipart/form-data"
# What comes right after the shape and stops everything else: a key that is none, a state it never had.
KEY, STATE = {"Idempotency-Key": "a b"}, {"If-Match": '"never"'}
STOP = {"POST": KEY, "PUT": STATE, "PATCH": STATE, "DELETE": STATE, "GET": {}}
STOPPED = {"POST": (422, "invalid_idempotency_key"), "PUT": (412, "precondition_failed")}
STOPPED |= {"PATCH": STOPPED["PUT"], "DELETE": STOPPED["PUT"]}
NOBODY = [(401, "invalid_api_key"), (401, "invalid_refresh_token")]  # credentials are looked at before the key

# Bodies around a value that the example of its operation does not go with, by operation, place and value.
SQL = {"name": "Parcels", "source": {"type": "sql", "uri": "orders", "query": "SELECT 1", "credentials_ref": "orders"}}
FILE = {"name": "Parcels", "source": {"type": "file", "uri": "/data/parcels.csv"}}
REFRESH = {"grant_type": "refresh_token", "refresh_token": "x"}
AROUND = {
    ("dataset.create", "/source/type", "sql"): SQL,
    ("dataset.create", "/source/type", "file"): FILE,
    ("dataset.create", "/source/query", None): SQL,
    ("auth.token_issue", "/grant_type", "refresh_token"): REFRESH,
    ("auth.token_issue", "/refresh_token", None): REFRESH,
    ("deployment.create", "/traffic_percent", None): {"strategy": "shadow"},
    ("schedule.set", "/trigger", "drift"): {"trigger": "drift"},
    ("schedule.set", "/drift_threshold", None): {"trigger": "drift"},
}
SUMMED = {"test_size": "validation_size", "validation_size": "test_size"}  # together they stay below 1


@each(lambda promise: promise.takes_body)
def test_of_bodies(place, ids, document, promise):
    described = document["paths"][promise.path][promise.method.lower()].get("requestBody", {}).get("content", {})
    stopped = NOBODY if promise.is_public else [STOPPED[promise.method]]
    faults = []
    for kind, content in described.items():
        example = content.get("example", {"name": "Parcels"})
        for bound in bounds_of(document, content["schema"], is_text=kind == MULTIPART):
            for value in bound.allowed:
                answer = send(place, promise, ids, kind, body_around(promise, example, bound.pointer, value))
                if (answer.status_code, answer.json["code"]) not in stopped:
                    faults.append(f"{bound.pointer} {tell(value)} is refused: {answer.json['errors']}")
            for value in bound.refused:
                answer = send(place, promise, ids, kind, body_around(promise, example, bound.pointer, value))
                pointers = {fault["pointer"] for fault in answer.json["errors"]}
                if (answer.json["code"], pointers) != ("validation_failed", {bound.pointer}):
                    faults.append(f"{bound.pointer} {tell(value)} is taken: {answer.json['code']} {pointers}")
    assert not faults, "\n".join(faults)


def test_of_names_in_maps(document):
    described = document["paths"]["/api/v1/models/{model_id}/versions/{version_id}"]["patch"]["requestBody"]
    bounds = list(bounds_of(document, described["content"]["application/json"]["schema"]))
    refused = {bound.pointer for bound in bounds if bound.refused}
    assert {"/tags", "/tags/", f"/tags/{'a' * 51}", "/tags/k"} <= refused


def body_around(promise, example, pointer, value):
    """A body that is right, but for a value at one place."""
    known = value if isinstance(value, str) else None
    body = AROUND.get((promise.id, pointer, known), AROUND.get((promise.id, pointer, None), example))
    above, _, name = pointer.rpartition("/")
    if name in SUMMED and isinstance(value, float):
        body = put(body, f"{above}/{SUMMED[name]}", NEAR / 10)
    return put(body, pointer, value)


def send(place, promise, ids, kind, body):
    headers = {**place.admin(), **STOP[promise.method]}
    if kind != MULTIPART:
        return place.call(promise, Call(ids), headers, json=body)
    file = FileStorage(io.BytesIO(b"a\n1\n"), filename="a.csv")
    boundary, data = encode_multipart({**body, "file": file})
    return place.call(promise, Call(ids), headers, data=data, content_type=f"{MULTIPART}; boundary={boundary}")


@each()
def test_of_parameters(place, ids, document, promise):
    asked = parameters_of(document, promise)
    needed = {item["name"]: "x" for item in asked if item.get("required")}
    headers = {**place.admin(), **STOP[promise.method]}
    faults = []
    for item in asked:
        name = item["name"]
        for bound in bounds_of(document, item["schema"], f"/{name}", is_text=True):
            for value in (*bound.allowed, *bound.refused):
                text = str(value).lower() if isinstance(value, bool) else str(value)
                answer = place.call(promise, Call(ids, {**needed, name: text}), headers)
                if answer.status_code >= 500 or is_refused(answer, name) != (value in bound.refused):
                    faults.append(f"{name} {tell(value)}: {answer.status_code} {answer.data[:300]}")
    assert not faults, "\n".join(faults)


def is_refused(answer, name):
    """Whether a call was refused for the value of a parameter."""
    if answer.status_code != 422 or answer.json["code"] != "validation_failed":
        return False
    return [fault["pointer"] for fault in answer.json["errors"]] == [name]


def tell(value):
    """A value in few words."""
    text = repr(value)
    return text if len(text) < 60 else f"{text[:40]}... ({len(value)} long)"
