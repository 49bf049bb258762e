"""The same POST twice does its work once: answers kept under the caller's Idempotency-Key."""

import hashlib
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import timedelta

import orjson
from sqlalchemy import delete, select

from studio.backends.stores import Stores
from studio.db.inserting import insert_unless_there
from studio.errors import IdempotencyInProgress, IdempotencyKeyReused, InvalidIdempotencyKey
from studio.web.components import KEY_FORM
from studio.web.context import Seal
from studio.web.tables import IdempotencyRow

KEPT_FOR = timedelta(hours=24)
STALE_AFTER = timedelta(minutes=10)  # a call that was killed never ends; longer than any call may take


@dataclass(frozen=True)
class KeptAnswer:
    """What a repeated request is answered with.

    Attributes:
        status: HTTP status.
        body: Bytes of the answer, as text.
        headers: The headers worth repeating: media type, Location, ETag.
    """

    status: int
    body: str
    headers: dict[str, str]


@dataclass(frozen=True)
class Repeat:
    """One Idempotency-Key of one caller on one route, claimed for the call that runs."""

    id: str
    seal: Seal

    def keep(self, stores: Stores, answer: KeptAnswer) -> None:
        """Store the answer, in the transaction of the change itself."""
        row = stores.db.get(IdempotencyRow, self.id)
        if row is not None:
            row.answer = self.seal.encrypt(orjson.dumps(asdict(answer)))

    def release(self, open_apart: Callable[[], AbstractContextManager[Stores]]) -> None:
        """Free the key, after a call that failed."""
        with open_apart() as stores:
            stores.db.execute(delete(IdempotencyRow).where(IdempotencyRow.id == self.id))


def claim(
    open_apart: Callable[[], AbstractContextManager[Stores]], seal: Seal, key: str, route: str, body_hash: str
) -> Repeat | KeptAnswer:
    """Claim a key for this call, or find the answer of an earlier one.

    Args:
        open_apart: Opens stores in a transaction of their own.
        seal: Encryption of kept answers.
        key: The header's value.
        route: Method and path.
        body_hash: SHA-256 of what was sent.

    Raises:
        InvalidIdempotencyKey: It is not 1 to 255 visible ASCII characters.
        IdempotencyKeyReused: It came before with another body.
        IdempotencyInProgress: The call it came with is still running.
    """
    if not re.fullmatch(KEY_FORM, key):
        raise InvalidIdempotencyKey(
            "Idempotency-Key must be 1 to 255 visible ASCII characters.",
            fields=[("Idempotency-Key", "malformed")],
        )
    with open_apart() as stores:
        actor = stores.actor
        scope = "\n".join((actor.organization, actor.user_id or "", route, key))
        row_id = hashlib.sha256(scope.encode()).hexdigest()
        if _insert(stores, row_id, body_hash):
            return Repeat(row_id, seal)
        row = stores.db.scalars(select(IdempotencyRow).where(IdempotencyRow.id == row_id).with_for_update()).one()
        age = stores.now() - row.created_at
        if age > KEPT_FOR or (row.answer is None and age > STALE_AFTER):
            row.body_hash, row.answer, row.created_at = body_hash, None, stores.now()
            return Repeat(row_id, seal)
        if row.body_hash != body_hash:
            raise IdempotencyKeyReused("This Idempotency-Key came before with another body; use a new one.")
        if row.answer is None:
            raise IdempotencyInProgress("The first call with this Idempotency-Key is still running.")
        return KeptAnswer(**orjson.loads(seal.decrypt(row.answer)))


def forget_old_answers(stores: Stores) -> None:
    """Remove what is past its time; safe to repeat."""
    stores.db.execute(delete(IdempotencyRow).where(IdempotencyRow.created_at < stores.now() - KEPT_FOR))


def _insert(stores: Stores, row_id: str, body_hash: str) -> bool:
    facts = {"body_hash": body_hash, "answer": None, "created_at": stores.now()}
    return insert_unless_there(stores.db, IdempotencyRow, id=row_id, **facts)
