"""Routes of tokens and tickets."""

from flask_smorest import Blueprint

from studio.auth import service
from studio.web.context import Context
from studio.web.endpoint import endpoint

bp = Blueprint("auth", __name__, url_prefix="/api/v1/auth")


@endpoint(bp, "auth.token_revoke", "DELETE", "/token", needs="authenticated", audit="auth.token_revoked", status=204)
def revoke_token(ctx: Context) -> None:
    """Revoke the token this call presents."""
    service.revoke_token(ctx.stores)
