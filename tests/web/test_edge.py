"""What the edge does the same way for every route."""

import threading

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from studio.app import create_app
from studio.runtime import Runtime
from tests.conftest import SECRET

MODELS = "/api/v1/models"
BODY = {"name": "Late delivery risk", "model_type": "auto", "task_type": "classification"}


def claims_of(token):
    return jwt.decode(token, options={"verify_signature": False})


def assert_problem(response, status, code):
    problem = response.get_json(force=True)
    assert response.status_code == status, problem
    assert response.mimetype == "application/problem+json"
    assert problem["code"] == code
    assert problem["type"] == f"urn:model-studio:problem:{code}"
    assert problem["status"] == status
    assert problem["request_id"] == response.headers["X-Request-ID"]
    assert set(problem) >= {"title", "detail", "instance", "errors"}
    return problem


@pytest.mark.parametrize(
    ("proxies", "address"), [(0, "127.0.0.1"), (1, "198.51.100.1"), (2, "203.0.113.7"), (3, "127.0.0.1")]
)
def test_only_proxies_that_are_trusted_say_where_a_call_comes_from(config, runtime, headers, proxies, address):
    client = create_app(config.model_copy(update={"trusted_proxies": proxies}), runtime).test_client()
    caller = {**headers(email="ana@example.org"), "X-Forwarded-For": "203.0.113.7, 198.51.100.1"}
    client.get(MODELS, headers=caller)
    [entry] = client.get(f"{MODELS}/audit-logs", headers=caller).json["results"]
    assert (entry["action"], entry["ip_address"]) == ("organization.member_added", address)


class TestTokens:
    def test_without_one_nothing_is_told(self, client):
        response = client.get(MODELS)
        assert_problem(response, 401, "token_missing")
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="model-studio"'

    @pytest.mark.parametrize("scheme", ["Basic abc", "Bearer", "Bearer ", "Token x"])
    def test_another_scheme_is_none(self, client, scheme):
        assert_problem(client.get(MODELS, headers={"Authorization": scheme}), 401, "token_missing")

    def test_one_that_says_alg_none_is_refused(self, client, token):
        forged = jwt.encode(claims_of(token()), "", algorithm="none")
        response = client.get(MODELS, headers={"Authorization": f"Bearer {forged}"})
        assert_problem(response, 401, "token_invalid")
        assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]

    def test_one_signed_with_another_secret_is_refused(self, client, token):
        forged = jwt.encode(claims_of(token()), "another secret of thirty-two bytes or more", algorithm="HS256")
        assert_problem(client.get(MODELS, headers={"Authorization": f"Bearer {forged}"}), 401, "token_invalid")

    @pytest.mark.parametrize(
        "change", [{"iss": "others"}, {"aud": "others"}, {"org": "No Slug"}, {"sub": 7}, {"org": None}]
    )
    def test_one_for_others_or_without_a_claim_is_refused(self, client, token, change):
        claims = {name: value for name, value in {**claims_of(token()), **change}.items() if value is not None}
        forged = jwt.encode(claims, SECRET, algorithm="HS256")
        assert_problem(client.get(MODELS, headers={"Authorization": f"Bearer {forged}"}), 401, "token_invalid")

    def test_an_expired_one_says_so(self, client, headers):
        assert_problem(client.get(MODELS, headers=headers(lifetime_s=-60)), 401, "token_expired")

    def test_one_just_over_is_within_the_leeway(self, client, headers):
        assert client.get(MODELS, headers=headers(lifetime_s=-5)).status_code == 200

    def test_a_revoked_one_is_refused_and_others_are_not(self, client, headers):
        revoked, other = headers(), headers()
        assert client.delete("/api/v1/auth/token", headers=revoked).status_code == 204
        assert_problem(client.get(MODELS, headers=revoked), 401, "token_revoked")
        assert client.get(MODELS, headers=other).status_code == 200

    @pytest.mark.parametrize("kind", ["RS256", "ES256"])
    def test_a_public_key_accepts_its_tokens_alone(self, config, token, kind):
        key = rsa.generate_private_key(65537, 2048) if kind == "RS256" else ec.generate_private_key(ec.SECP256R1())
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        settings = config.model_copy(update={"token_algorithms": (kind,), "token_public_key": public.decode()})
        client = create_app(settings, Runtime(settings)).test_client()
        claims = claims_of(token())
        good = jwt.encode(claims, key, algorithm=kind)
        assert client.get(MODELS, headers={"Authorization": f"Bearer {good}"}).status_code == 200
        # the classic confusion: the public key taken as an HMAC secret
        header, payload = (jwt.utils.base64url_encode(part).decode() for part in (b'{"alg":"HS256"}', b"{}"))
        assert_problem(
            client.get(MODELS, headers={"Authorization": f"Bearer {header}.{payload}.x"}), 401, "token_invalid"
        )
        assert_problem(client.get(MODELS, headers={"Authorization": f"Bearer {token()}"}), 401, "token_invalid")


class TestTenancy:
    def test_another_organizations_model_is_absent(self, client, headers):
        model_id = client.post(MODELS, headers=headers(), json=BODY).json["id"]
        for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/config"), ("POST", "/train")):
            response = client.open(f"{MODELS}/{model_id}{path}", method=method, headers=headers(org="others"), json={})
            assert_problem(response, 404, "model_not_found")

    @pytest.mark.parametrize("model_id", ["mdl-00000000", "mdl-XYZ", "mdl-00c0ffeeee", "%00", "mdl-00c0ffe'"])
    def test_an_unknown_or_malformed_id_is_absent(self, client, headers, model_id):
        assert_problem(client.get(f"{MODELS}/{model_id}", headers=headers()), 404, "model_not_found")

    def test_both_may_use_the_same_name(self, client, headers):
        assert client.post(MODELS, headers=headers(), json=BODY).status_code == 201
        assert client.post(MODELS, headers=headers(org="others"), json=BODY).status_code == 201


class TestPermissions:
    def test_reading_is_not_writing(self, client, headers):
        assert_problem(client.post(MODELS, headers=headers(permissions=["model:read"]), json=BODY), 403, "forbidden")

    def test_a_viewer_of_the_organization_reads(self, client, headers):
        viewer = headers(user="v", role="organization:viewer")
        model_id = client.post(MODELS, headers=headers(), json=BODY).json["id"]
        assert client.get(f"{MODELS}/{model_id}", headers=viewer).status_code == 200
        assert_problem(client.patch(f"{MODELS}/{model_id}", headers=viewer, json={}), 403, "forbidden")

    def test_the_owner_may_delete_where_other_writers_may_not(self, client, headers):
        owner = headers(user="owner", permissions=["model:write", "model:read"])
        other = headers(user="other", permissions=["model:write", "model:read"])
        model_id = client.post(MODELS, headers=owner, json=BODY).json["id"]
        assert_problem(client.delete(f"{MODELS}/{model_id}", headers=other), 403, "forbidden")
        assert client.delete(f"{MODELS}/{model_id}", headers=owner).status_code == 204

    def test_permission_comes_before_the_body(self, client, headers):
        response = client.post(MODELS, headers=headers(permissions=[]), data="{", content_type="application/json")
        assert_problem(response, 403, "forbidden")


class TestRequests:
    def test_a_request_id_is_echoed_where_it_is_usable(self, client):
        assert client.get(MODELS, headers={"X-Request-ID": "abc.1"}).headers["X-Request-ID"] == "abc.1"
        assert client.get(MODELS, headers={"X-Request-ID": "no good"}).headers["X-Request-ID"].startswith("req-")

    def test_unknown_fields_and_wrong_ones_are_all_named(self, client, headers):
        body = {**BODY, "nam": 1, "task_type": "x", "config": {"search": {"max_trials": "3"}}}
        problem = assert_problem(client.post(MODELS, headers=headers(), json=body), 422, "validation_failed")
        assert {fault["pointer"] for fault in problem["errors"]} == {"/nam", "/task_type", "/config/search/max_trials"}

    @pytest.mark.parametrize("body", [b"{", b'{"name": NaN}', b"\xff", b'{"name": 1e999}'])
    def test_what_is_not_json_is_malformed(self, client, headers, body):
        response = client.post(MODELS, headers=headers(), data=body, content_type="application/json")
        assert response.get_json(force=True)["code"] in ("malformed_body", "validation_failed")
        assert response.status_code == 422

    @pytest.mark.parametrize("body", [b"[]", b'"text"', b"7"])
    def test_a_body_must_be_an_object(self, client, headers, body):
        response = client.post(MODELS, headers=headers(), data=body, content_type="application/json")
        assert_problem(response, 422, "validation_failed")

    def test_another_media_type_is_not_taken(self, client, headers):
        response = client.post(MODELS, headers=headers(), data="a=b", content_type="text/plain")
        assert_problem(response, 415, "unsupported_media_type")

    def test_a_body_beyond_the_limit_is_refused(self, client, headers):
        response = client.post(
            MODELS, headers=headers(), data=b" " * (10 * 1024 * 1024 + 1), content_type="application/json"
        )
        assert_problem(response, 413, "payload_too_large")

    def test_an_answer_nobody_can_give_is_not_acceptable(self, client, headers):
        assert_problem(client.get(MODELS, headers={**headers(), "Accept": "text/html"}), 406, "not_acceptable")
        assert client.get(MODELS, headers={**headers(), "Accept": "text/html, */*;q=0.1"}).status_code == 200

    def test_a_trailing_slash_means_the_same(self, client, headers):
        assert client.get(f"{MODELS}/", headers=headers()).status_code == 200

    def test_unknown_routes_and_methods_answer_problems(self, client, headers):
        assert_problem(client.get("/api/v1/nothing", headers=headers()), 404, "not_found")
        response = client.put(MODELS, headers=headers())
        assert_problem(response, 405, "method_not_allowed")
        assert {"GET", "POST"} <= set(response.headers["Allow"].split(", "))

    def test_too_many_calls_are_told_when_to_come_back(self, config, runtime, headers, app):
        from studio.web.limiter import CallLimiter

        edge = app.extensions["studio"]
        object.__setattr__(edge, "limiter", CallLimiter(2))
        client = app.test_client()
        statuses = [client.get(MODELS, headers=headers()).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        response = client.get(MODELS, headers=headers())
        assert_problem(response, 429, "rate_limited")
        assert int(response.headers["Retry-After"]) >= 1
        assert client.get(MODELS, headers=headers(user="another")).status_code == 200


class TestRepeats:
    def test_the_same_call_is_done_once(self, client, headers):
        call = {"headers": {**headers(), "Idempotency-Key": "k-1"}, "json": BODY}
        first, second = client.post(MODELS, **call), client.post(MODELS, **call)
        assert (first.status_code, second.status_code) == (201, 201)
        assert second.json == first.json
        assert second.headers["Idempotency-Replayed"] == "true"
        assert second.headers["Location"] == first.headers["Location"]
        assert client.get(MODELS, headers=headers()).json["total"] == 1

    def test_the_key_with_another_body_is_refused(self, client, headers):
        keyed = {**headers(), "Idempotency-Key": "k-1"}
        client.post(MODELS, headers=keyed, json=BODY)
        assert_problem(client.post(MODELS, headers=keyed, json={**BODY, "name": "x"}), 422, "idempotency_key_reused")

    def test_a_failed_call_leaves_the_key_free(self, client, headers):
        keyed = {**headers(), "Idempotency-Key": "k-1"}
        assert client.post(MODELS, headers=keyed, json={}).status_code == 422
        assert client.post(MODELS, headers=keyed, json=BODY).status_code == 201
        taken = {**headers(), "Idempotency-Key": "k-2"}
        assert_problem(client.post(MODELS, headers=taken, json=BODY), 409, "name_taken")
        assert client.post(MODELS, headers=taken, json={**BODY, "name": "y"}).status_code == 201

    def test_another_caller_has_keys_of_its_own(self, client, headers):
        for user in ("one", "two"):
            body = {**BODY, "name": user}
            assert (
                client.post(MODELS, headers={**headers(user=user), "Idempotency-Key": "k"}, json=body).status_code
                == 201
            )

    @pytest.mark.parametrize("key", ["", "a b", "ü", "x" * 256])
    def test_a_key_must_be_visible_ascii(self, client, headers, key):
        response = client.post(
            MODELS, headers={**headers(), "Idempotency-Key": key.encode().decode("latin-1")}, json=BODY
        )
        assert_problem(response, 422, "invalid_idempotency_key")

    def test_a_kept_answer_ends_after_a_day(self, client, headers, clock):
        call = {"headers": {**headers(), "Idempotency-Key": "k-1"}, "json": BODY}
        client.post(MODELS, **call)
        clock.advance(hours=25)
        assert_problem(client.post(MODELS, **call), 409, "name_taken")

    def test_two_at_once_are_done_once(self, app, headers):
        keyed, answers = {**headers(), "Idempotency-Key": "k-1"}, []

        def call():
            answers.append(app.test_client().post(MODELS, headers=keyed, json=BODY).status_code)

        threads = [threading.Thread(target=call) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(answers) <= {201, 409}
        assert 201 in answers
        assert app.test_client().get(MODELS, headers=headers()).json["total"] == 1


class TestPreconditions:
    def test_an_unchanged_model_is_not_sent_again(self, client, headers):
        made = client.post(MODELS, headers=headers(), json=BODY)
        path, etag = made.headers["Location"], made.headers["ETag"]
        assert client.get(path, headers=headers()).headers["ETag"] == etag
        assert client.get(path, headers={**headers(), "If-None-Match": etag}).status_code == 304
        assert client.get(path, headers={**headers(), "If-None-Match": f"W/{etag}"}).status_code == 200

    def test_a_change_needs_the_state_it_names(self, client, headers):
        made = client.post(MODELS, headers=headers(), json=BODY)
        path, etag = made.headers["Location"], made.headers["ETag"]
        changed = client.patch(path, headers={**headers(), "If-Match": f'"zz", {etag}'}, json={"description": "new"})
        assert changed.status_code == 200
        stale = client.patch(path, headers={**headers(), "If-Match": etag}, json={"description": "newer"})
        assert_problem(stale, 412, "precondition_failed")
        assert (
            client.patch(path, headers={**headers(), "If-Match": "*"}, json={"description": "newer"}).status_code == 200
        )
        assert_problem(client.delete(path, headers={**headers(), "If-Match": etag}), 412, "precondition_failed")


def test_a_route_that_writes_must_name_its_audit_action():
    from flask_smorest import Blueprint

    from studio.web.endpoint import endpoint

    with pytest.raises(TypeError, match="audit action"):
        endpoint(Blueprint("x", __name__), "x.y", "POST", "/x", needs="model:write")


def test_a_route_cannot_ask_for_an_unknown_permission():
    from flask_smorest import Blueprint

    from studio.web.endpoint import endpoint

    with pytest.raises(ValueError, match="unknown permission"):
        endpoint(Blueprint("x", __name__), "x.y", "GET", "/x", needs="model:raed")
