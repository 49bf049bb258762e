"""Makes, lists and deletes the keys service accounts sign in with."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select

from studio.auth.service.revocations import revoke_refresh_tokens
from studio.auth.tables import ApiKeyRow, RefreshTokenRow
from studio.backends.stores import Stores
from studio.clock import format_time
from studio.db.inserting import unused_id
from studio.domain.identifiers import is_id, new_id
from studio.domain.pages import Page
from studio.errors import ApiKeyNotFound, InvalidInput


@dataclass(frozen=True)
class NewApiKey:
    """A key as its maker gets it, the only time its secret is shown.

    Attributes:
        api_key: The whole key, ``msk_<8 hex of its id>_<secret>``.
    """

    row: ApiKeyRow
    api_key: str


def create_api_key(
    stores: Stores,
    *,
    name: str,
    permissions: Sequence[str],
    expires_in_days: int,
    service_account: str | None = None,
) -> NewApiKey:
    """Make a key.

    Args:
        stores: Open stores.
        name: A name for people.
        permissions: Organization permissions its tokens have at most, one or more.
        expires_in_days: Days it lives, 1 to 365.
        service_account: An existing service account; None for a new one.

    Raises:
        InvalidInput: There is no such service account.
    """
    if service_account is not None and not _is_known(stores, service_account):
        raise InvalidInput(
            f"There is no service account {service_account!r}.",
            fields=[("/service_account", "names no service account of the organization; leave it out for a new one")],
        )
    now = stores.now()
    secret = secrets.token_urlsafe(24)
    row = ApiKeyRow(
        id=unused_id(stores.db, ApiKeyRow, lambda: new_id("key")), organization=stores.organization, name=name,
        service_account=service_account or new_id("service_account"), secret_hash=hash_of(secret),
        permissions=list(dict.fromkeys(permissions)), expires_at=now + timedelta(days=expires_in_days),
        last_used_at=None, created_at=now, created_by=stores.actor.user_id or "",
    )  # fmt: skip
    stores.db.add(row)
    stores.db.flush()
    stores.record_change(
        None, key_id=row.id, name=name, service_account=row.service_account, permissions=row.permissions,
        expires_at=format_time(row.expires_at),
    )  # fmt: skip
    return NewApiKey(row, f"{row.prefix}_{secret}")


def list_api_keys(stores: Stores, *, page: int, page_size: int) -> Page:
    """One page of the organization's keys, newest first, expired ones among them."""
    query = select(ApiKeyRow).where(ApiKeyRow.organization == stores.organization)
    total = stores.db.scalar(select(func.count()).select_from(query.subquery())) or 0
    order = (ApiKeyRow.created_at.desc(), ApiKeyRow.id)
    rows = stores.db.scalars(query.order_by(*order).offset((page - 1) * page_size).limit(page_size))
    return Page(total, page, page_size, rows.all())


def get_api_key(stores: Stores, key_id: str) -> ApiKeyRow:
    """One key of the organization.

    Raises:
        ApiKeyNotFound: There is none.
    """
    row = stores.db.get(ApiKeyRow, key_id) if is_id("key", key_id) else None
    if row is None or row.organization != stores.organization:
        raise ApiKeyNotFound(key_id)
    return row


def delete_api_key(stores: Stores, key_id: str) -> None:
    """Delete a key; every token obtained with it is revoked.

    Raises:
        ApiKeyNotFound: There is none.
    """
    get_api_key(stores, key_id)
    row = lock_api_key(stores, key_id)
    if row is None:
        raise ApiKeyNotFound(key_id)
    revoke_refresh_tokens(stores, RefreshTokenRow.key_id == key_id)
    stores.record_change(None, key_id=key_id, name=row.name, service_account=row.service_account)
    stores.db.delete(row)


def lock_api_key(stores: Stores, key_id: str) -> ApiKeyRow | None:
    """The key as it now is, kept until the transaction ends: a sign-in must not slip past a deletion of its key."""
    query = select(ApiKeyRow).where(ApiKeyRow.id == key_id, ApiKeyRow.organization == stores.organization)
    return stores.db.scalars(query.with_for_update().execution_options(populate_existing=True)).first()


def hash_of(secret: str) -> str:
    """What is kept of a secret: it is random and long, so a plain hash cannot be undone."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _is_known(stores: Stores, service_account: str) -> bool:
    if not is_id("service_account", service_account):
        return False
    query = select(ApiKeyRow.id).where(
        ApiKeyRow.organization == stores.organization, ApiKeyRow.service_account == service_account
    )
    return stores.db.scalar(query.limit(1)) is not None
