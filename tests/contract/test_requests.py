"""What is refused before anything is done, by the order of checks that is promised."""

import pytest

from studio.domain.model_config import SYSTEM_DEFAULTS
from tests.contract.calls import NEEDS_TRAINING, PREPARE, Call
from tests.contract.documented import parameters_of
from tests.contract.installation import ADMIN
from tests.contract.offered import each, offered
from tests.contract.published import needs_contract, promises

pytestmark = needs_contract

UNTRAINED = {  # bodies of a right shape
    "model.test": {"inputs": {}},
    "predict.explain": {"inputs": [{}]},
    "batch.create": {"dataset_id": "ds-00000000"},
    "predict.model": {"inputs": [{}]},
    "predict.deployment": {"inputs": [{}]},
}

TOO_LONG = b'{"a": "' + b"x" * (10 << 20) + b'"}'
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def needs_training(promise):
    return [pytest.mark.slow] if promise.id in NEEDS_TRAINING else []


def takes_body(promise):
    return promise.takes_body


def answers_body(promise):
    return promise.success != 204


@each(answers_body)
def test_an_answer_nobody_can_give_is_not_acceptable(place, ids, promise):
    headers = {**place.admin(), "Accept": "application/x-nothing"}
    assert place.refusal(promise, Call(path=ids), headers) == (406, "not_acceptable")


@each(lambda promise: not answers_body(promise))
def test_without_an_answer_body_anything_is_acceptable(place, promise):
    call = PREPARE[promise.id](place)
    answer = place.call(promise, call, {**place.admin(), "Accept": "application/x-nothing"})
    assert answer.status_code == promise.success


@each(answers_body, marks=needs_training)
def test_every_documented_media_type_is_answered(place, document, promise):
    described = document["paths"][promise.path][promise.method.lower()]["responses"][str(promise.success)]
    assert described["content"]
    for kind in described["content"]:
        call = PREPARE[promise.id](place)
        answer = place.call(promise, call, {**place.admin(), "Accept": kind})
        assert answer.status_code == promise.success, answer.get_data(as_text=True)
        assert answer.mimetype == kind.partition(";")[0]
        assert answer.data


@each(takes_body)
def test_another_media_type_is_not_taken(place, ids, promise):
    for kind in ("text/plain", "application/xml", ""):
        refused = place.refusal(promise, Call(path=ids), place.admin(), data=b"a=b", content_type=kind)
        assert refused == (415, "unsupported_media_type")


@each(takes_body)
def test_a_body_that_is_too_large_is_refused(place, ids, promise):
    given = {"data": TOO_LONG, "content_type": "application/json"}
    assert place.refusal(promise, Call(path=ids), place.admin(), **given) == (413, "payload_too_large")


@pytest.mark.parametrize("body", [b"{", b"{]", b"\xff", b'{"a": NaN}', b'{"a": Infinity}', b'{"a": "\\ud800"}'])
@each(takes_body)
def test_what_is_not_json_is_malformed(place, ids, promise, body):
    given = {"data": body, "content_type": "application/json"}
    assert place.refusal(promise, Call(path=ids), place.admin(), **given) == (422, "malformed_body")


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"7", b"null", b"[{}]"])
@each(takes_body)
def test_a_body_is_an_object(place, ids, promise, body):
    given = {"data": body, "content_type": "application/json"}
    assert place.refusal(promise, Call(path=ids), place.admin(), **given) == (422, "validation_failed")


@each(takes_body)
def test_an_unknown_field_is_named(place, ids, promise):
    given = {"json": {"no_such_field/~": 1}}
    answer = place.call(promise, Call(path=ids), place.admin(), **given)
    assert (answer.status_code, answer.json["code"]) == (422, "validation_failed")
    assert "/no_such_field~1~0" in {fault["pointer"] for fault in answer.json["errors"]}


@pytest.mark.parametrize("key", sorted(SYSTEM_DEFAULTS))
def test_null_takes_a_models_own_value_away(place, key):
    model_id = place.make_model(config={"algorithm": "lightgbm", "feature_columns": ["carrier"]})
    path = f"/api/v1/models/{model_id}"
    answer = place.app.test_client().patch(path, json={"config": {key: None}}, headers=place.admin())
    assert answer.status_code == 200, answer.json
    assert answer.json["config"][key] == SYSTEM_DEFAULTS[key]


@each()
def test_a_nul_in_a_parameter_is_refused_and_in_an_id_unknown(place, ids, document, promise):
    asked = parameters_of(document, promise)
    needed = {item["name"]: "x" for item in asked if item.get("required")}
    for name in (item["name"] for item in asked):
        unknown = (404, f"{name.removesuffix('_id')}_not_found")
        wanted = unknown if name in ("run_id", "version_id") else (422, "validation_failed")
        query = {**needed, name: "a\0b"}
        assert place.refusal(promise, Call(path=ids, query=query), place.admin()) == wanted


@each(lambda promise: promise.id.startswith("audit.list"))
@pytest.mark.parametrize(
    ("period", "status"),
    [
        ({"to": "0001-01-01T00:00:01Z"}, 200),
        ({"from": "9999-12-31T23:59:59Z"}, 422),
        ({"from": "2026-01-02", "to": "2026-01-01"}, 422),
        ({"from": "0001-01-01T00:00:00+01:00"}, 422),
        ({"to": "9999-12-31T23:59:59-01:00"}, 422),
        ({"from": "2026-01-01T00:00:00"}, 422),
        ({"from": "2026-01-01T00:00:00+05:30", "to": "2026-01-02"}, 200),
    ],
)
def test_any_moment_may_be_asked_for(place, ids, promise, period, status):
    answer = place.call(promise, Call(path=ids, query=period), place.admin())
    assert answer.status_code == status, answer.json


@each(lambda promise: promise.method == "POST")
def test_a_key_that_is_none_is_refused(place, promise):
    if promise.id in UNTRAINED:
        path = {"model_id": place.make_model(), "deployment_id": "dep-00000000"}
        call = Call(path=path, body={"json": UNTRAINED[promise.id]})
    else:
        call = PREPARE[promise.id](place)
    for key in ("", "a b", "x" * 256, "caf\xe9"):
        headers = {**place.admin(), "Idempotency-Key": key}
        assert place.refusal(promise, call, headers) == (422, "invalid_idempotency_key")


@each(lambda promise: not promise.is_public)
def test_the_permission_comes_before_everything_about_the_request(place, ids, promise):
    if promise.allows():
        pytest.skip("any token suffices")
    wrong = {"query_string": {"page": "x"}, "data": TOO_LONG, "content_type": "text/plain"}
    headers = {**place.headers("has-nothing"), "Accept": "application/x-nothing", "If-Match": '"never"'}
    assert place.refusal(promise, Call(path=ids), headers, **wrong) == (403, "forbidden")


@each(takes_body)
def test_the_answer_comes_before_the_body_and_its_type_before_its_shape(place, ids, promise):
    nothing = {**place.admin(), "Accept": "application/x-nothing"}
    wrong = {"data": TOO_LONG, "content_type": "text/plain"}
    assert place.refusal(promise, Call(path=ids), nothing, **wrong) == (406, "not_acceptable")
    assert place.refusal(promise, Call(path=ids), place.admin(), **wrong) == (413, "payload_too_large")
    shape = {**place.admin(), "Idempotency-Key": "a b", "If-Match": '"never"'}
    malformed = {"data": b"{", "content_type": "application/json"}
    assert place.refusal(promise, Call(path=ids), shape, **malformed) == (422, "malformed_body")


@each()
def test_other_methods_are_refused_and_the_offered_ones_named(place, ids, promise):
    path = promise.path.format(**ids)
    here = {
        method
        for one in offered().values()
        for method, template in one.routes
        if template == promise.path and method != "WS"
    }
    for method in METHODS:
        if method in here:
            continue
        answer = place.app.test_client().open(path, method=method, headers=place.admin())
        assert (answer.status_code, answer.get_json(force=True)["code"]) == (405, "method_not_allowed")
        assert set(answer.headers["Allow"].split(", ")) - {"HEAD"} == here


@pytest.mark.parametrize("path", ["/", "/api", "/api/v1", "/api/v1/nothing", "/api/v1//models", "//api/v1/models"])
def test_an_unknown_path_answers_a_problem(place, path):
    answer = place.app.test_client().open(path, method="GET", headers=place.admin())
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")
    assert answer.json["code"] == "not_found"


@each(lambda promise: not promise.is_public and 429 in promise.errors)
def test_the_limit_of_calls_answers_when_to_come_back(place, ids, promise, monkeypatch):
    from studio.web.limiter import CallLimiter

    edge = place.app.extensions["studio"]
    monkeypatch.setitem(edge.__dict__, "limiter", CallLimiter(1))
    headers = {**place.headers("hurried", ADMIN), "Accept": "application/x-nothing", "If-Match": '"never"'}
    assert place.refusal(promise, Call(path=ids), headers)[0] in (406, 412)
    assert place.refusal(promise, Call(path=ids), headers) == (429, "rate_limited")
    assert int(place.call(promise, Call(path=ids), headers).headers["Retry-After"]) >= 1


@each(lambda promise: not promise.is_public and 429 not in promise.errors)
def test_a_call_that_a_models_queue_bounds_is_not_counted(place, ids, promise, monkeypatch):
    from studio.web.limiter import CallLimiter

    monkeypatch.setitem(place.app.extensions["studio"].__dict__, "limiter", CallLimiter(1))
    headers = {**place.headers("eager", ADMIN), "Accept": "application/x-nothing"}
    for _ in range(3):
        assert place.refusal(promise, Call(path=ids), headers)[0] == 406


def test_every_list_has_an_upper_limit(place, ids, document):
    for promise in promises().values():
        if promise.id in offered() and "page_size" in promise.response:
            limit = next(
                item["schema"]["maximum"] for item in parameters_of(document, promise) if item["name"] == "page_size"
            )
            for size in (0, -1, limit + 1, "x", "1.5"):
                call = Call(path=ids, query={"page_size": size})
                assert place.refusal(promise, call, place.admin()) == (422, "validation_failed")
            answer = place.call(promise, Call(path=ids, query={"page_size": limit, "page": 10**6}), place.admin())
            assert (answer.status_code, answer.json["results"]) == (200, [])
