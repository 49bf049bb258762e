"""What holds for every operation by the conventions: calls at once, odd JSON, HEAD and OPTIONS."""

import threading

import pytest

from studio.web.reading import NESTING_LIMIT
from tests.contract.calls import NEEDS_TRAINING, PREPARE, Call
from tests.contract.offered import each
from tests.contract.published import needs_contract

pytestmark = needs_contract

AT_ONCE = 4


def needs_training(promise):
    return [pytest.mark.slow] if promise.id in NEEDS_TRAINING else []


def takes_body(promise):
    return promise.takes_body


def reads(promise):
    return promise.method == "GET" and promise.audit is None


def all_at_once(call):
    """What several threads get that make a call together."""
    barrier, answers = threading.Barrier(AT_ONCE), []

    def run():
        barrier.wait()
        answers.append(call())

    threads = [threading.Thread(target=run) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@each(lambda promise: promise.method == "POST", marks=needs_training)
def test_calls_at_once_with_one_key_are_done_once(place, promise):
    call = PREPARE[promise.id](place)
    headers = {**place.admin(), "Idempotency-Key": place.name("key").replace(" ", "-")}
    before = place.count_entries()
    answers = all_at_once(lambda: place.call(promise, call, headers))
    done = [answer for answer in answers if answer.status_code == promise.success]
    assert len([answer for answer in done if "Idempotency-Replayed" not in answer.headers]) == 1
    assert len({answer.data for answer in done}) == 1
    for answer in answers:
        if answer not in done:
            assert (answer.status_code, answer.json["code"]) == (409, "idempotency_in_progress")
            assert int(answer.headers["Retry-After"]) >= 1
    actions = [entry.action for entry in place.entries_after(before)]
    assert actions == ([promise.audit] if promise.audit else [])


@pytest.mark.parametrize("body", [b"\xef\xbb\xbf{}", "{}".encode("utf-16"), "{}".encode("utf-32")])
@each(takes_body)
def test_a_body_is_utf_8_without_a_mark(place, ids, promise, body):
    given = {"data": body, "content_type": "application/json"}
    assert place.refusal(promise, Call(path=ids), place.admin(), **given) == (422, "malformed_body")


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
@each(takes_body)
def test_a_body_may_nest_so_deep_and_no_deeper(place, ids, promise, opening, closing):
    def refusal(depth):
        body = b'{"no_such_field":' + opening * (depth - 1) + b"1" + closing * (depth - 1) + b"}"
        given = {"data": body, "content_type": "application/json"}
        return place.refusal(promise, Call(path=ids), place.admin(), **given)

    assert refusal(NESTING_LIMIT) == (422, "validation_failed")
    for depth in (NESTING_LIMIT + 1, 1000, 100_000):
        assert refusal(depth) == (422, "malformed_body")


FREE_FORM = {
    "model.create": {"name": "Deep", "model_type": "auto", "task_type": "classification", "config": {}},
    "model.update": {"config": {}},
    "config.replace": {},
    "training.start": {"config_override": {}},
    "schedule.set": {"trigger": "cron", "cron": "0 3 * * 1", "config_override": {}},
    "organization_config.replace": {"overrides": {}},
}


@each(lambda promise: promise.id in FREE_FORM)
def test_what_nests_as_deep_in_a_free_form_object_does_no_harm(place, promise):
    deep = 1
    for _ in range(NESTING_LIMIT - 3):
        deep = [deep]
    body = FREE_FORM[promise.id]
    config = next((body[key] for key in ("config", "config_override", "overrides") if key in body), body)
    config |= {"algorithm": "lightgbm", "hyperparameters": {"max_depth": deep}}
    call = Call(PREPARE[promise.id](place).path, body={"json": body})
    assert place.call(promise, call, place.admin()).status_code in (promise.success, 422)


def test_of_a_key_that_comes_twice_the_last_one_counts(place):
    text = '{"name": %s, "model_type": "auto", "task_type": "regression", "\\u006eame": %s}'
    first, second = place.name("Model"), place.name("Model")
    client, given = place.app.test_client(), {"content_type": "application/json", "headers": place.admin()}
    made = client.post("/api/v1/models", data=text % (f'"{first}"', f'"{second}"'), **given)
    assert (made.status_code, made.json["name"]) == (201, second)
    refused = client.post("/api/v1/models", data=text % (f'"{first}"', 7), **given)
    assert [fault["pointer"] for fault in refused.json["errors"]] == ["/name"]


def look(place, promise, call, headers):
    """What HEAD answers where an operation is a GET."""
    return place.app.test_client().head(promise.path.format(**call.path), query_string=call.query, headers=headers)


@each(reads, marks=needs_training)
def test_head_tells_what_get_would(place, promise):
    call, headers = PREPARE[promise.id](place), {**place.admin(), "X-Request-ID": "looked-at"}
    read = place.call(promise, call, headers)
    before = place.count_entries()
    looked = look(place, promise, call, headers)
    assert (looked.status_code, looked.data) == (read.status_code, b"")
    sizes_differ = {"Content-Length"} if promise.id == "service.metrics" else set()
    for name in set(looked.headers.keys()) - sizes_differ:
        assert looked.headers[name] == read.headers[name]
    assert looked.headers["X-Request-ID"] == "looked-at"
    assert place.count_entries() == before


@each(lambda promise: promise.method == "GET" and promise.audit is not None)
def test_head_leaves_nothing_behind(place, ids, promise):
    headers, before = place.admin(), place.count_entries()
    answer = look(place, promise, Call(path=ids), headers)
    assert (answer.status_code, answer.data, answer.headers["Allow"]) == (405, b"", "GET")
    assert place.count_entries() == before


@each()
def test_options_tells_what_is_offered_before_it_asks_for_a_token(place, ids, promise):
    answer = place.app.test_client().options(promise.path.format(**ids))
    assert (answer.status_code, answer.json["code"]) == (405, "method_not_allowed")
    assert promise.method in answer.headers["Allow"].split(", ")


@pytest.mark.parametrize("given", ["", "no good", "x" * 129, "caf\xe9", "a/b", "<script>"])
@each()
def test_a_request_id_that_cannot_be_used_is_replaced(place, ids, promise, given):
    answer = place.call(promise, Call(path=ids), {"X-Request-ID": given, "Accept": "application/x-nothing"})
    assert answer.headers.get_all("X-Request-ID") == [answer.headers["X-Request-ID"]]
    assert answer.headers["X-Request-ID"].startswith("req-")
