"""API keys, sign-ins and refresh tokens: what the service does, and what the stores hold afterwards."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from studio.auth import service
from studio.auth.tables import ApiKeyRow, RefreshTokenRow, RevokedTokenRow
from studio.domain.actors import ActorType
from studio.errors import ApiKeyNotFound, InvalidApiKey, InvalidInput, InvalidRefreshToken, TokenRevoked

pytestmark = pytest.mark.both_databases


def make_key(stores, **facts):
    made = service.create_api_key(
        stores, **{"name": "nightly", "permissions": ["model:read"], "expires_in_days": 90, **facts}
    )
    stores.note = None
    return made


def sign_in(stores, **credentials):
    grant = service.sign_in(stores, credentials)
    stores.note = None
    return grant


def caller_of(stores, **credentials):
    return service.find_caller(stores.db, credentials, stores.now())


def test_only_the_hash_of_a_secret_is_kept(stores):
    made = make_key(stores)
    secret = made.api_key.removeprefix(f"msk_{made.row.id[4:]}_")
    assert len(secret) >= 32
    kept = stores.db.scalars(select(ApiKeyRow)).one()
    assert secret not in str(vars(kept))
    assert kept.expires_at == stores.now() + timedelta(days=90)


def test_a_key_signs_its_service_account_in(stores):
    made = make_key(stores, permissions=["model:write", "model:read", "model:write"])
    actor = caller_of(stores, api_key=made.api_key)
    assert (actor.user_id, actor.type, actor.is_ceiling) == (made.row.service_account, ActorType.SERVICE, True)
    assert actor.permissions == {"model:read", "model:write"}
    grant = sign_in(stores, api_key=made.api_key)
    assert (grant.subject, grant.permissions) == (made.row.service_account, ["model:write", "model:read"])
    assert service.get_api_key(stores, made.row.id).last_used_at == stores.now()


@pytest.mark.parametrize("change", [lambda key: key[:-1], lambda key: f"{key}x", lambda key: key.replace("msk", "sk")])
def test_a_wrong_key_is_refused(stores, change):
    made = make_key(stores)
    with pytest.raises(InvalidApiKey):
        caller_of(stores, api_key=change(made.api_key))


@pytest.mark.parametrize("key", ["", "msk", "msk__", "msk_00000000_", "msk_decade01_x", "\0", "é" * 400])
def test_what_is_no_key_is_refused(stores, key):
    with pytest.raises(InvalidApiKey):
        caller_of(stores, api_key=key)


def test_an_expired_key_gives_neither_token(stores, clock):
    made = make_key(stores, expires_in_days=1)
    grant = sign_in(stores, api_key=made.api_key)
    clock.advance(seconds=86400)
    with pytest.raises(InvalidApiKey):
        caller_of(stores, api_key=made.api_key)
    with pytest.raises(InvalidRefreshToken):
        caller_of(stores, refresh_token=grant.refresh_token)


@pytest.mark.parametrize(("left_s", "lives_s"), [(86400, (900, 86400)), (1000, (900, 1000)), (10, (10, 10))])
def test_no_token_outlives_its_key(stores, clock, left_s, lives_s):
    made = make_key(stores, expires_in_days=1)
    clock.advance(seconds=86400 - left_s)
    grant = sign_in(stores, api_key=made.api_key)
    assert (grant.expires_in, grant.refresh_expires_in) == lives_s
    kept = stores.db.scalars(select(RefreshTokenRow)).one()
    assert kept.access_expires_at == stores.now() + timedelta(seconds=lives_s[0])


def test_a_second_key_may_be_for_the_same_account(stores):
    first = make_key(stores)
    assert make_key(stores, service_account=first.row.service_account).row.service_account == first.row.service_account
    assert make_key(stores).row.service_account != first.row.service_account
    for unknown in ("svc-00000000", "user-1", ""):
        with pytest.raises(InvalidInput):
            make_key(stores, service_account=unknown)


def test_a_refresh_token_rotates(stores):
    first = sign_in(stores, api_key=make_key(stores).api_key)
    second = sign_in(stores, refresh_token=first.refresh_token)
    assert second.refresh_token != first.refresh_token
    assert sign_in(stores, refresh_token=second.refresh_token) is not None


def test_a_used_refresh_token_takes_everything_back_that_came_of_it(stores):
    made = make_key(stores)
    first = sign_in(stores, api_key=made.api_key)
    other = sign_in(stores, api_key=made.api_key)
    second = sign_in(stores, refresh_token=first.refresh_token)
    assert sign_in(stores, refresh_token=first.refresh_token) is None
    with pytest.raises(InvalidRefreshToken):
        caller_of(stores, refresh_token=second.refresh_token)
    assert {row.token_id for row in stores.db.scalars(select(RevokedTokenRow))} == {first.token_id, second.token_id}
    assert sign_in(stores, refresh_token=other.refresh_token) is not None  # another sign-in is another family


def test_deleting_a_key_revokes_what_it_gave(open_stores):
    with open_stores() as stores:
        made = make_key(stores)
        grant = sign_in(stores, api_key=made.api_key)
    with open_stores() as stores:
        service.delete_api_key(stores, made.row.id)
    with open_stores() as stores:
        assert stores.db.get(RevokedTokenRow, ("acme", grant.token_id)) is not None
        assert stores.db.scalars(select(RefreshTokenRow)).all() == []
        with pytest.raises(ApiKeyNotFound):
            service.delete_api_key(stores, made.row.id)


def test_revoking_a_token_takes_its_refresh_token_along(open_stores, runtime):
    with open_stores() as stores:
        grant = sign_in(stores, api_key=make_key(stores).api_key)
        actor = caller_of(stores, refresh_token=grant.refresh_token)
    presented = type(actor)(**{**vars(actor), "token_id": grant.token_id, "expires_at": runtime.clock()})
    with runtime.open_stores(presented, write=True) as stores:
        service.revoke_token(stores)
        with pytest.raises(TokenRevoked):
            service.check_not_revoked(stores)
        with pytest.raises(InvalidRefreshToken):
            caller_of(stores, refresh_token=grant.refresh_token)


def test_another_organizations_key_is_unknown(open_stores):
    with open_stores() as stores:
        made = make_key(stores)
    with open_stores(org="others") as stores:
        assert service.list_api_keys(stores, page=1, page_size=20).total == 0
        with pytest.raises(ApiKeyNotFound):
            service.delete_api_key(stores, made.row.id)


def test_what_is_over_is_forgotten(stores, clock):
    sign_in(stores, api_key=make_key(stores).api_key)
    clock.advance(seconds=stores.config.refresh_token_lifetime_s + 1)
    service.forget_expired(stores)
    assert stores.db.scalars(select(RefreshTokenRow)).all() == []
