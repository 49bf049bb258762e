"""Tells the security log who was refused what: a refused call leaves no audit entry."""

import logging

from studio.domain.actors import Actor
from studio.errors import Forbidden, StudioError, TokenMissing, Unauthenticated
from studio.web.context import Origin

security = logging.getLogger("studio.security")


def note_refusal(error: StudioError, origin: Origin, actor: Actor | None) -> None:
    """Write the line of a refused sign-in or permission; other errors leave none.

    Args:
        error: What the caller is answered.
        origin: Where the call came from.
        actor: Who called; None where nobody is known.
    """
    if not isinstance(error, Unauthenticated | Forbidden) or isinstance(error, TokenMissing):
        return  # without a token nobody claimed to be anybody: that is not worth a line
    told = {
        "event": "sign_in_refused" if isinstance(error, Unauthenticated) else "permission_refused",
        "code": error.code,
        "organization": actor.organization if actor else None,
        "user_id": actor.user_id if actor else None,
        "ip_address": origin.ip_address,
        "request_id": origin.request_id,
        "method": origin.method,
        "path": origin.path,
    }
    security.warning("refused", extra=told)
