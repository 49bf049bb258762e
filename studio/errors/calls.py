"""What is wrong with a call itself: its token, its shape, how many there are of them."""

from studio.errors.kinds import Conflict, InvalidInput, Unauthenticated


class TokenMissing(Unauthenticated):
    code = "token_missing"


class TokenInvalid(Unauthenticated):
    code = "token_invalid"


class TokenExpired(Unauthenticated):
    code = "token_expired"


class TokenRevoked(Unauthenticated):
    code = "token_revoked"


class MalformedBody(InvalidInput):
    code = "malformed_body"


class InvalidRange(InvalidInput):
    code = "invalid_range"


class InvalidIdempotencyKey(InvalidInput):
    code = "invalid_idempotency_key"


class IdempotencyKeyReused(InvalidInput):
    code = "idempotency_key_reused"


class IdempotencyInProgress(Conflict):
    code = "idempotency_in_progress"

    retry_after_s = 1
