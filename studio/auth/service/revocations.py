"""Refuses tokens before their time is over."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select, update

from studio.auth.tables import RefreshTokenRow, RevokedTokenRow, TicketRow
from studio.backends.stores import Stores
from studio.clock import format_time
from studio.db.inserting import insert_unless_there
from studio.errors import InvalidInput, TokenRevoked

LEEWAY = timedelta(seconds=60)  # more than the clock leeway tokens are checked with


def check_not_revoked(stores: Stores) -> None:
    """Refuse an actor whose token was revoked.

    Raises:
        TokenRevoked: It was.
    """
    token_id = stores.actor.token_id
    if token_id is None:
        return
    if stores.db.get(RevokedTokenRow, (stores.organization, token_id)) is not None:
        raise TokenRevoked("The token was revoked; get a new one.")


def revoke_token(stores: Stores) -> None:
    """Revoke the token of the call, until it expires, and its refresh token; safe to repeat.

    Raises:
        InvalidInput: It has no id to revoke it by.
    """
    actor = stores.actor
    if actor.token_id is None or actor.expires_at is None:
        raise InvalidInput("A token without `jti` cannot be revoked singly.", fields=[("Authorization", "no jti")])
    _refuse(stores, actor.token_id, actor.expires_at)
    family = select(RefreshTokenRow.family).where(
        RefreshTokenRow.organization == stores.organization, RefreshTokenRow.access_token_id == actor.token_id
    )
    # kept, not deleted: they join the family's other access tokens to their key, whose deletion revokes those
    ended = update(RefreshTokenRow).where(RefreshTokenRow.family.in_(family), RefreshTokenRow.expires_at > stores.now())
    stores.db.execute(ended.values(expires_at=stores.now()))
    stores.record_change(None, token_id=actor.token_id, expires_at=format_time(actor.expires_at))


def revoke_refresh_tokens(stores: Stores, condition: ColumnElement[bool]) -> None:
    """Take back refresh tokens of the organization with the access tokens that came with them; safe to repeat.

    Args:
        stores: Open stores.
        condition: Which ones.
    """
    is_meant = (RefreshTokenRow.organization == stores.organization) & condition
    rows: Iterable[RefreshTokenRow] = stores.db.scalars(select(RefreshTokenRow).where(is_meant)).all()
    for row in rows:
        if row.access_expires_at > stores.now():
            _refuse(stores, row.access_token_id, row.access_expires_at)
    stores.db.execute(delete(RefreshTokenRow).where(is_meant))


def forget_expired(stores: Stores) -> None:
    """Remove tickets, refresh tokens and revocations past their time; safe to repeat."""
    stores.db.execute(delete(TicketRow).where(TicketRow.expires_at < stores.now()))
    stores.db.execute(delete(RevokedTokenRow).where(RevokedTokenRow.expires_at < stores.now() - LEEWAY))
    both_over = (RefreshTokenRow.expires_at < stores.now()) & (RefreshTokenRow.access_expires_at < stores.now())
    stores.db.execute(delete(RefreshTokenRow).where(both_over))


def _refuse(stores: Stores, token_id: str, expires_at: datetime) -> None:
    key = {"organization": stores.organization, "token_id": token_id}
    insert_unless_there(stores.db, RevokedTokenRow, **key, expires_at=expires_at)
