"""What is wrong with a call itself: its token, its shape, how many there are of them."""

from studio.errors.kinds import Conflict, InvalidInput, NotFound, Unauthenticated


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


class NoHandshake(InvalidInput):
    """A request to open a WebSocket that is none of the version that is spoken here."""


class InvalidRange(InvalidInput):
    code = "invalid_range"


class InvalidIdempotencyKey(InvalidInput):
    code = "invalid_idempotency_key"


class IdempotencyKeyReused(InvalidInput):
    code = "idempotency_key_reused"


class IdempotencyInProgress(Conflict):
    code = "idempotency_in_progress"

    retry_after_s = 1


class InvalidApiKey(Unauthenticated):
    code = "invalid_api_key"


class InvalidRefreshToken(Unauthenticated):
    code = "invalid_refresh_token"


class ApiKeyNotFound(NotFound):
    code = "api_key_not_found"

    def __init__(self, key_id: str) -> None:
        super().__init__(f"There is no API key {key_id!r}.")


class AlreadyMember(Conflict):
    code = "already_member"
