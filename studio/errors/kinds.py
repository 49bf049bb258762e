"""The base of all errors, and the kinds, each with one HTTP status in ``studio/web/errors.py``."""

from collections.abc import Sequence
from typing import Any


class StudioError(Exception):
    """Base of every error this package raises on purpose.

    Attributes:
        code: Stable snake_case identifier that API clients may match on.
        details: JSON-ready facts behind the message; never a stack trace or a secret. They become members of the
            problem body.
        fields: The single faults, each a JSON pointer (or the bare name of a parameter) and a message.
    """

    code = "studio_error"

    def __init__(self, message: str, *, fields: Sequence[tuple[str, str]] = (), **details: Any) -> None:
        super().__init__(message)
        self.fields = list(fields)
        self.details = details


class Unauthenticated(StudioError):
    """Who calls is not known."""

    code = "token_missing"


class Forbidden(StudioError):
    """The caller is known and may not do this."""

    code = "forbidden"


class NotFound(StudioError):
    """The thing does not exist, or the caller may not know that it does."""

    code = "not_found"


class Conflict(StudioError):
    """The request is fine, the state or a name is in its way."""

    code = "conflict"


class PreconditionFailed(StudioError):
    """``If-Match`` names another state of the thing."""

    code = "precondition_failed"


class TooLarge(StudioError):
    """More bytes than this operation takes."""

    code = "payload_too_large"


class UnsupportedMediaType(StudioError):
    """The body is of a media type this operation does not take."""

    code = "unsupported_media_type"


class NotAcceptable(StudioError):
    """None of the media types the caller accepts can be given."""

    code = "not_acceptable"


class InvalidInput(StudioError):
    """What the caller sent is not valid."""

    code = "validation_failed"


class TooMany(StudioError):
    """More calls or more queued work than is allowed; ``retry_after_s`` says when to come back."""

    code = "rate_limited"

    def __init__(self, message: str, *, retry_after_s: int = 1, **details: Any) -> None:
        super().__init__(message, **details)
        self.retry_after_s = retry_after_s


class BackendDown(StudioError):
    """A part this service needs does not answer; ``retry_after_s`` says when to come back."""

    code = "service_unavailable"

    def __init__(self, message: str, *, retry_after_s: int = 5, **details: Any) -> None:
        super().__init__(message, **details)
        self.retry_after_s = retry_after_s


class InternalFault(StudioError):
    """A fault of the service or of a model it runs, told in words a caller may read."""

    code = "internal_error"
