"""Operations in the words of other protocols: MLflow's scoring and the Open Inference Protocol."""

import pytest

from tests.contract.calls import Call
from tests.contract.offered import each
from tests.contract.published import PERMISSIONS, needs_contract

pytestmark = needs_contract

KEYS = {"mlflow_scoring": {"error_code", "message"}, "open_inference": {"error"}}
CODES = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "RESOURCE_DOES_NOT_EXIST"}


def speaks_otherwise(promise):
    return promise.speaks_otherwise and not promise.is_public


def about_a_model(promise):
    return speaks_otherwise(promise) and promise.parameters


@pytest.fixture
def path(place):
    model_id = place.make_model()
    return {"model_id": model_id, "name": model_id, "version": "1"}


def assert_refused(place, promise, path, headers, status):
    before = place.count_entries()
    answer = place.call(promise, Call(path=path), headers)
    assert answer.status_code == status
    assert status in promise.errors
    assert answer.mimetype == "application/json"
    assert answer.json.keys() == KEYS[promise.error_form]
    assert answer.json.get("error_code", CODES[status]) == CODES[status]
    assert "X-Request-ID" in answer.headers
    assert place.count_entries() == before


@each(speaks_otherwise, others=True)
def test_without_a_good_token_nothing_is_told(place, path, promise):
    for headers in ({}, {"Authorization": "Bearer nonsense"}, place.headers("late", lifetime_s=-60)):
        assert_refused(place, promise, path, headers, 401)
    for headers in place.end_tokens().values():
        assert_refused(place, promise, path, headers, 401)


@each(about_a_model, others=True)
def test_another_organizations_model_is_unknown(place, path, promise):
    assert_refused(place, promise, path, place.headers("stranger", ["organization:admin"], org="others"), 404)
    assert_refused(place, promise, {**path, "model_id": "x", "name": "x"}, place.admin(), 404)


@each(about_a_model, others=True)
@pytest.mark.parametrize("permission", PERMISSIONS)
def test_one_permission_lets_in_where_promised(place, path, promise, permission):
    headers = place.headers(f"has-only-{permission}", [permission])
    if promise.allows(permission=permission):
        assert place.call(promise, Call(path=path), headers).status_code not in (401, 403)
    else:
        assert_refused(place, promise, path, headers, 403)


@each(lambda promise: promise.speaks_otherwise, others=True)
def test_the_document_tells_of_errors_in_those_words(place, promise):
    document = place.app.test_client().get("/api/v1/openapi.json").json
    responses = document["paths"][promise.path][promise.method.lower()]["responses"]
    name = {"mlflow_scoring": "ScoringErrorOut", "open_inference": "InferenceErrorOut"}[promise.error_form]
    told = {int(status) for status in responses if status not in ("default", "304", str(promise.success))}
    assert told <= promise.errors.keys()
    for status in {*map(str, told), "default"} - {"503"}:
        content = responses[status]["content"]
        assert content == {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
