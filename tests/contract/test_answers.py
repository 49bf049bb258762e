"""What a call that succeeds answers and leaves behind, having only the permission it needs."""

from dataclasses import dataclass
from typing import Any

import pytest

from tests.contract.calls import NEEDS_TRAINING, PREPARE, Call
from tests.contract.documented import judge
from tests.contract.offered import each, offered
from tests.contract.published import ROLES, Promise, missing_keys, needs_contract, promises, resource_of

pytestmark = needs_contract


def marks(promise):
    return [pytest.mark.slow] if promise.id in NEEDS_TRAINING else []


each_once = each(marks=marks, others=True)


@dataclass(frozen=True)
class Done:
    """One call that was made, and the audit entries it left."""

    promise: Promise
    call: Call
    user: str
    headers: dict[str, str]
    answer: Any
    entries: list[Any]


@pytest.fixture(scope="module")
def done(place):
    """Makes each call once, for all tests that look at it."""
    made = {}

    def call(promise):
        if promise.id not in made:
            made[promise.id] = make(place, promise)
        return made[promise.id]

    return call


def make(place, promise):
    """Call an operation as somebody who has the permission it asks for and nothing else."""
    call = PREPARE[promise.id](place)
    user, headers = least(place, promise, call)
    before = place.count_entries()
    answer = place.call(promise, call, {**headers, "X-Request-ID": f"contract-{before}"})
    return Done(promise, call, user, headers, answer, place.entries_after(before))


def least(place, promise, call):
    """A caller who may only just do this, and its headers."""
    if promise.is_public:
        return "", {}
    if promise.id == "model.transfer_ownership":  # its owner could not repeat it, being none afterwards
        return "admin-1", place.admin()
    if promise.permission in ("owner", "manage"):
        role = {"owner": "owner", "manage": "admin"}[promise.permission]
        user = f"{role} of {call.path['model_id']}"
        place.grant(call.path["model_id"], user, role)
        return user, place.headers(user)
    needed = [] if promise.permission == "authenticated" else promise.permission.split(" or ")[0].split(" and ")
    user = f"only {' '.join(needed)}"
    return user, place.headers(user, needed)


LISTED = {"collaborator.add", "api_key.create", "member.add"}


def test_every_operation_has_a_call():
    missing = {name for name, one in offered().items() if one.operation.method != "WS"} - PREPARE.keys()
    assert not missing, f"prepare calls of {sorted(missing)} in tests/contract/calls.py"


@each_once
def test_it_answers_with_the_promised_status(done, promise):
    answer = done(promise).answer
    assert answer.status_code == promise.success, answer.get_data(as_text=True)[:2000]


@each_once
def test_it_answers_every_promised_key(done, promise):
    answer = done(promise).answer
    if not promise.response:
        assert promise.success != 204 or not answer.data
    else:
        assert not missing_keys(answer.json, promise.response), answer.json


@each_once
def test_its_answer_is_as_documented(done, document, promise):
    assert not judge(document, promise, done(promise).answer)


@each_once
def test_it_leaves_the_promised_audit_entry(done, promise):
    made = done(promise)
    assert [entry.action for entry in made.entries] == ([promise.audit] if promise.audit else [])
    for entry in made.entries:
        if promise.is_public:  # whoever its credentials name
            assert (entry.actor_type, entry.email) == ("service", None)
        else:
            assert (entry.user_id, entry.email) == (made.user, f"{made.user}@example.org")
        assert entry.request_id == made.answer.headers["X-Request-ID"]
        assert entry.ip_address == "127.0.0.1"
        named = made.call.path.get("model_id") or (made.answer.json or {}).get("id")
        assert entry.model_id == (named if promise.audit.startswith("model.") else None)


@each_once
def test_it_echoes_the_request_id(done, promise):
    assert done(promise).answer.headers["X-Request-ID"].startswith("contract-") or promise.is_public


@each(lambda promise: promise.has_location, marks=marks)
def test_it_tells_where_the_result_is(place, done, promise):
    made = done(promise)
    where = made.answer.headers["Location"]
    assert where.startswith("/api/")
    if promise.id == "stream_ticket.create":
        assert where == made.answer.json["url"]
        return
    if promise.id in LISTED:  # which are read in the list they stand in
        is_filtered = "?" in where
        place_in_list, _, last = where.rpartition("=" if is_filtered else "/")
        list_of_all = where if is_filtered else f"{place_in_list}?page_size=100"
        found = place.app.test_client().get(list_of_all, headers=place.admin()).json
        told = {name: value for name, value in made.answer.json.items() if name != "api_key"}
        assert told in found.get("collaborators", found.get("results"))
        assert last in told.values()
        return
    found = place.app.test_client().get(where, headers=place.admin())
    assert found.status_code == 200
    assert without_queue(found.json) == without_queue(made.answer.json)


def without_queue(record):
    """A record without what other calls' runs in the queue change of it meanwhile."""
    return {name: value for name, value in record.items() if name not in ("queue_position", "estimated_start_time")}


@each(lambda promise: resource_of(promise) is not None, marks=marks)
def test_it_carries_the_etag_of_its_resource(place, promise):
    made, reader = make(place, promise), resource_of(promise)
    etag = made.answer.headers["ETag"]
    assert etag.startswith('"')
    if promise.method == "GET":
        path = promise.path.format(**made.call.path)
    else:
        path = made.answer.headers.get("Location") or reader.path.format(**made.call.path)
    read = place.app.test_client().get(path, headers={**place.admin(), "If-None-Match": etag})
    assert (read.status_code, read.data, read.headers["ETag"]) == (304, b"", etag)
    for stale in (f"W/{etag}", '"never"'):
        read = place.app.test_client().get(path, headers={**place.admin(), "If-None-Match": stale})
        assert read.status_code == 200


@pytest.mark.parametrize("role", ROLES)
@each(lambda promise: promise.is_on_a_model and promise.method != "GET", marks=marks)
def test_a_role_that_suffices_lets_it_happen(place, promise, role):
    call = PREPARE[promise.id](place)
    user = f"does as {role}"
    place.grant(call.path["model_id"], user, role)
    answer = place.call(promise, call, place.headers(user))
    assert answer.status_code == (promise.success if promise.allows(role=role) else 403), answer.json


@each(lambda promise: promise.aliases, marks=marks)
def test_an_alias_answers_the_same(place, done, promise):
    made = done(promise)
    for alias in promise.aliases:
        answer = place.call(promise, made.call, made.headers, path=alias)
        assert (answer.status_code, answer.json) == (made.answer.status_code, made.answer.json)


@each(lambda promise: promise.method == "GET", marks=marks)
def test_a_trailing_slash_means_the_same(place, done, promise):
    made = done(promise)
    answer = place.call(promise, made.call, made.headers, path=f"{promise.path}/")
    assert answer.status_code == promise.success
    assert answer.mimetype == made.answer.mimetype


@each(lambda promise: promise.method == "POST", marks=marks)
def test_the_same_call_again_is_not_done_again(place, promise):
    call = PREPARE[promise.id](place)
    headers = {**least(place, promise, call)[1], "Idempotency-Key": place.name("key").replace(" ", "-")}
    first = place.call(promise, call, headers)
    assert first.status_code == promise.success
    before = place.count_entries()
    again = place.call(promise, call, headers)
    assert (again.status_code, again.data) == (first.status_code, first.data)
    assert again.headers["Idempotency-Replayed"] == "true"
    for name in ("Location", "ETag", "Content-Type"):
        assert again.headers.get(name) == first.headers.get(name)
    assert place.count_entries() == before


@each(lambda promise: promise.method == "POST", marks=marks)
def test_the_key_of_another_body_is_refused(place, promise):
    call = PREPARE[promise.id](place)
    if call.other is None:
        pytest.skip("it takes one body only")
    headers = {**least(place, promise, call)[1], "Idempotency-Key": place.name("key").replace(" ", "-")}
    assert place.call(promise, call, headers).status_code == promise.success
    other = Call(call.path, call.query, call.other)
    assert place.refusal(promise, other, headers) == (422, "idempotency_key_reused")


@each(lambda promise: promise.method in ("PUT", "PATCH", "DELETE"), marks=marks)
def test_it_is_done_only_in_the_state_that_was_named(place, promise):
    call = PREPARE[promise.id](place)
    headers, etag = least(place, promise, call)[1], current_etag(place, promise, call)
    for stale in ('"never"', f"W/{etag}", f'"never", W/{etag}'):
        assert place.refusal(promise, call, {**headers, "If-Match": stale}) == (412, "precondition_failed")
    fresh = f'"never", {etag}' if etag else "*"
    assert place.call(promise, call, {**headers, "If-Match": fresh}).status_code == promise.success


@each(lambda promise: promise.method in ("PUT", "PATCH", "DELETE"), marks=marks)
def test_any_state_is_named_by_a_star(place, promise):
    call = PREPARE[promise.id](place)
    headers = {**least(place, promise, call)[1], "If-Match": "*"}
    assert place.call(promise, call, headers).status_code == promise.success


def current_etag(place, promise, call):
    """ETag of what an operation changes: of what is read at its path, else above it; none where nothing is."""
    path = promise.path
    while path not in {one.path for one in promises().values() if one.method == "GET" and resource_of(one)}:
        path = path.rpartition("/")[0]
        if not path:
            return None
    return place.app.test_client().get(path.format(**call.path), headers=place.admin()).headers["ETag"]
