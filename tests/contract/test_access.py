"""Who may call an operation, and who may not know that what it is about exists."""

import pytest

from studio.domain.identifiers import new_id, new_run_id
from tests.contract.calls import PREPARE, Call
from tests.contract.installation import ADMIN, OTHERS
from tests.contract.offered import each
from tests.contract.published import PERMISSIONS, ROLES, needs_contract

pytestmark = needs_contract

EVERYTHING = tuple(name for name in PERMISSIONS if name != "organization:admin")
# What comes right after the permission, and changes nothing: an answer nobody can give, a state it never had.
LET_IN = {"Accept": "application/x-nothing", "If-Match": '"never"'}
AFTER = {(406, "not_acceptable"), (412, "precondition_failed")}


@pytest.fixture(scope="module")
def shared(place):
    """Ids that any operation's path may name."""
    return place.make_ids()


@pytest.fixture(scope="module")
def private(place):
    """The same of a private model."""
    model_id = place.make_model(private=True)
    return {
        "model_id": model_id,
        "run_id": "run-20260503-9f31aa",
        "version_id": place.add_version(model_id),
        "deployment_id": place.deploy(model_id),
        "batch_id": place.make_batch(model_id),
        "user_id": "owner-1",
        "key_id": place.make_api_key().row.id,
    }


def is_let_in(place, promise, ids, headers):
    """Whether a caller passes the check of permissions; nothing of the call is done."""
    found = place.refusal(promise, Call(path=ids), {**headers, **LET_IN})
    assert found in {*AFTER, (403, "forbidden")}, found
    return found != (403, "forbidden")


def is_private(promise):
    return not promise.is_public


@each(is_private)
def test_without_a_token_nothing_is_told(place, shared, promise):
    assert place.refusal(promise, Call(path=shared), {}) == (401, "token_missing")
    answer = place.call(promise, Call(path=shared), {})
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@each(is_private)
def test_a_broken_token_is_refused(place, shared, promise):
    headers = place.admin()
    broken = {"Authorization": headers["Authorization"][:-8]}
    assert place.refusal(promise, Call(path=shared), broken) == (401, "token_invalid")


@each(is_private)
def test_an_expired_token_is_refused(place, shared, promise):
    over = place.headers("admin-1", ADMIN, lifetime_s=-60)
    assert place.refusal(promise, Call(path=shared), over) == (401, "token_expired")


@pytest.fixture(scope="module")
def ended(place):
    """Headers of tokens that were taken back, by how."""
    return place.end_tokens()


@pytest.mark.parametrize("how", ["revoked", "key deleted"])
@each(is_private)
def test_a_token_that_was_taken_back_is_refused(place, shared, ended, promise, how):
    assert place.refusal(promise, Call(path=shared), ended[how]) == (401, "token_revoked")


@pytest.mark.parametrize("permission", PERMISSIONS)
@each(is_private)
def test_one_organization_permission_lets_in_where_promised(place, shared, promise, permission):
    headers = place.headers(f"has-{permission}", [permission])
    assert is_let_in(place, promise, shared, headers) == promise.allows(permission=permission)


@pytest.mark.parametrize("role", ROLES)
@each(is_private)
def test_one_role_lets_in_where_promised(place, shared, promise, role):
    user = f"is-{role}"
    place.grant(shared["model_id"], user, role)
    assert is_let_in(place, promise, shared, place.headers(user)) == promise.allows(role=role)


@pytest.mark.parametrize("role", ROLES)
@each(lambda promise: promise.is_on_a_model)
def test_a_role_lets_into_a_private_model(place, private, promise, role):
    user = f"is-private-{role}"
    place.grant(private["model_id"], user, role)
    assert is_let_in(place, promise, private, place.headers(user)) == promise.allows(role=role)


@pytest.mark.parametrize("role", ROLES)
@each(lambda promise: promise.is_on_a_model)
def test_a_role_on_one_model_is_none_on_another(place, shared, promise, role):
    user, other = f"elsewhere-{role}", place.make_model()
    place.grant(other, user, role)
    assert not is_let_in(place, promise, shared, place.headers(user))


@pytest.mark.parametrize("permission", [None, *PERMISSIONS])
@each(is_private)
def test_the_permissions_of_an_api_key_are_a_ceiling(place, shared, promise, permission):
    headers = place.headers("owner-1", [permission] if permission else [], api_key="key-decade01")
    wanted = promise.ceiling_allows(permission)
    assert is_let_in(place, promise, shared, headers) == wanted


@each(lambda promise: promise.permission == "authenticated")
def test_any_token_suffices(place, promise):
    assert is_let_in(place, promise, {}, place.headers("has-nothing"))


@each(lambda promise: promise.parameters and not promise.is_public)
def test_another_organizations_things_are_as_unknown_ones(place, shared, promise):
    stranger = place.headers("stranger", ADMIN, org=OTHERS)
    kind = promise.parameters[0].removesuffix("_id")
    wanted = (404, f"{'api_key' if kind == 'key' else kind}_not_found")
    assert place.refusal(promise, Call(path=shared), stranger) == wanted
    unknown = {**shared, promise.parameters[0]: new_id(kind)}
    assert place.refusal(promise, Call(path=unknown), stranger) == wanted
    texts = [place.call(promise, Call(path=ids), stranger).json["detail"] for ids in (shared, unknown)]
    named = [text.replace(ids[promise.parameters[0]], "it") for text, ids in zip(texts, (shared, unknown), strict=True)]
    assert named[0] == named[1]


@each(lambda promise: promise.is_on_a_model)
def test_a_private_model_is_unknown_to_who_has_no_role_on_it(place, private, promise):
    member = place.headers("member", EVERYTHING)
    assert place.refusal(promise, Call(path=private), member) == (404, "model_not_found")


@pytest.mark.parametrize("model_id", ["mdl-00000000", "mdl-XYZ", "00c0ffee", "mdl-00c0ffee%00", "%2e%2e", "'"])
@each(lambda promise: promise.is_on_a_model)
def test_a_malformed_model_id_is_an_unknown_one(place, shared, promise, model_id):
    ids = {**shared, "model_id": model_id}
    assert place.refusal(promise, Call(path=ids), place.admin()) == (404, "model_not_found")


@pytest.mark.parametrize("dataset_id", ["ds-XYZ", "5e1ec7ed", "ds-5e1ec7ed%00", "%00", "mdl-5e1ec7ed"])
@each(lambda promise: promise.parameters == ["dataset_id"])
def test_a_malformed_dataset_id_is_an_unknown_one(place, promise, dataset_id):
    assert place.refusal(promise, Call(path={"dataset_id": dataset_id}), place.admin()) == (404, "dataset_not_found")


@each(lambda promise: len(promise.parameters) > 1)
def test_a_part_of_another_model_is_unknown(place, shared, promise):
    assert promise.parameters[0] == "model_id"
    body = PREPARE[promise.id](place).body if promise.takes_body else {}
    kind = {"user": "collaborator"}.get(named := promise.parameters[1].removesuffix("_id"), named)
    _, run_id = place.start_run()
    for unknown in (
        {
            "run": run_id,
            "version": "ver-999",
            "collaborator": "stranger",
            "deployment": "dep-00000000",
            "batch": "bat-00000000",
        }[kind],
        new_run_id(place.runtime.clock()),
        "x",
        "%00",
    ):
        ids = {**shared, promise.parameters[1]: unknown}
        assert place.refusal(promise, Call(path=ids, body=body), place.admin()) == (404, f"{kind}_not_found")


@each(lambda promise: promise.is_public)
def test_what_is_public_asks_for_no_token(place, promise):
    call = PREPARE[promise.id](place) if promise.parameters else Call()
    answer = place.call(promise, call, {"Authorization": "Bearer nonsense"})
    assert answer.status_code not in (401, 403)
