"""Signs service accounts in: an API key, or the refresh token of an earlier sign-in, for tokens.

A refresh token is single-use. One that comes a second time was copied: whoever used it first cannot be told from the
thief, so everything that sign-in led to is taken back (RFC 9700, section 4.14.2).
"""

import hmac
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from studio.auth.service.api_keys import hash_of, lock_api_key
from studio.auth.service.revocations import revoke_refresh_tokens
from studio.auth.tables import KEY_MARK, ApiKeyRow, RefreshTokenRow
from studio.backends.stores import Stores
from studio.domain.actors import Actor, ActorType
from studio.domain.identifiers import is_id
from studio.errors import InvalidApiKey, InvalidRefreshToken

REFRESH_MARK = "msr"


@dataclass(frozen=True)
class Grant:
    """What a sign-in is good for.

    Attributes:
        subject: The service account.
        key_id: The key it signed in with.
        token_id: Id of the access token to be signed.
        expires_in: Seconds the access token lives, at most as long as the key.
        refresh_token: The next refresh token, shown once.
        refresh_expires_in: Seconds that one lives.
    """

    subject: str
    organization: str
    key_id: str
    permissions: list[str]
    token_id: str
    expires_in: int
    refresh_token: str
    refresh_expires_in: int


def find_caller(db: Session, credentials: Mapping[str, str], now: datetime) -> Actor:
    """The service account behind an API key or refresh token.

    Args:
        db: Open session.
        credentials: ``api_key`` or ``refresh_token``.
        now: The time.

    Raises:
        InvalidApiKey: The key is unknown, deleted or over.
        InvalidRefreshToken: The refresh token is, or its key.
    """
    if "api_key" in credentials:
        key = _find_key(db, credentials["api_key"])
        refusal: InvalidApiKey | InvalidRefreshToken = InvalidApiKey("The API key is unknown, deleted or expired.")
    else:
        row = db.get(RefreshTokenRow, hash_of(credentials["refresh_token"]))
        key = db.get(ApiKeyRow, row.key_id) if row is not None and row.expires_at > now else None
        refusal = InvalidRefreshToken("The refresh token is unknown, revoked or expired; sign in with the API key.")
    if key is None or key.expires_at <= now:
        raise refusal
    return Actor(
        key.organization, key.service_account, type=ActorType.SERVICE,
        permissions=frozenset(key.permissions), is_ceiling=True,
    )  # fmt: skip


def sign_in(stores: Stores, credentials: Mapping[str, str]) -> Grant | None:
    """Hand out tokens to the caller of the stores, as find_caller found it.

    Returns:
        The grant; None for a refresh token that was used before, whose whole family is then revoked: the caller must
        be refused in a way that keeps this transaction.

    Raises:
        InvalidApiKey: The key was deleted a moment ago.
        InvalidRefreshToken: The refresh token was revoked a moment ago.
    """
    family = str(uuid.uuid4())
    if "api_key" in credentials:
        found = _find_key(stores.db, credentials["api_key"])
        key = lock_api_key(stores, found.id) if found is not None else None
        if key is None:
            raise InvalidApiKey("The API key is unknown, deleted or expired.")
    else:
        query = select(RefreshTokenRow).where(RefreshTokenRow.hash == hash_of(credentials["refresh_token"]))
        known = stores.db.scalars(query).first()
        key = lock_api_key(stores, known.key_id) if known is not None else None  # its lock orders all of a key's calls
        used = stores.db.scalars(query.execution_options(populate_existing=True)).first() if key is not None else None
        if used is None or key is None or used.expires_at <= stores.now():
            raise InvalidRefreshToken("The refresh token is unknown, revoked or expired; sign in with the API key.")
        if used.used_at is not None:
            revoke_refresh_tokens(stores, RefreshTokenRow.family == used.family)
            return None
        used.used_at, family = stores.now(), used.family
    key.last_used_at = stores.now()
    return _grant(stores, key, family)


def _grant(stores: Stores, key: ApiKeyRow, family: str) -> Grant:
    config, now = stores.config, stores.now()
    left_s = max(1, int((key.expires_at - now).total_seconds()))  # nothing a key led to outlives it
    lifetime_s, refresh_lifetime_s = min(config.token_lifetime_s, left_s), min(config.refresh_token_lifetime_s, left_s)
    refresh_token, token_id = f"{REFRESH_MARK}_{secrets.token_urlsafe(32)}", str(uuid.uuid4())
    stores.db.add(
        RefreshTokenRow(
            hash=hash_of(refresh_token), organization=stores.organization, key_id=key.id, family=family,
            access_token_id=token_id, access_expires_at=now + timedelta(seconds=lifetime_s),
            expires_at=now + timedelta(seconds=refresh_lifetime_s),
        )
    )  # fmt: skip
    stores.db.flush()
    stores.record_change(None, key_id=key.id, service_account=key.service_account, token_id=token_id)
    return Grant(
        subject=key.service_account, organization=stores.organization, key_id=key.id,
        permissions=list(key.permissions), token_id=token_id, expires_in=lifetime_s,
        refresh_token=refresh_token, refresh_expires_in=refresh_lifetime_s,
    )  # fmt: skip


def _find_key(db: Session, api_key: str) -> ApiKeyRow | None:
    mark, _, rest = api_key.partition("_")
    digits, _, secret = rest.partition("_")
    key_id = f"key-{digits}"
    row = db.get(ApiKeyRow, key_id) if mark == KEY_MARK and is_id("key", key_id) else None
    wanted = row.secret_hash if row is not None else hash_of("")
    is_right = hmac.compare_digest(hash_of(secret), wanted)  # also for an unknown id: it must take as long
    return row if is_right else None
