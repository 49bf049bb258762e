"""Routes of tokens and API keys."""

from typing import Any

from flask import Response, current_app
from flask_smorest import Blueprint

from studio.auth import service
from studio.auth.schemas import ApiKeyBody, ApiKeyList, ApiKeyQuery, NewApiKeyOut, TokenBody, TokenOut
from studio.domain.pages import Page
from studio.errors import InvalidRefreshToken
from studio.web.context import Context
from studio.web.endpoint import endpoint
from studio.web.errors import answer_error
from studio.web.identity import KEY_CLAIM, issue_token

bp = Blueprint("auth", __name__, url_prefix="/api/v1/auth")


@endpoint(
    bp, "auth.token_issue", "POST", "/token", needs="public", audit="auth.token_issued",
    body=TokenBody(), returns=TokenOut(),
)  # fmt: skip
def sign_in(ctx: Context, body: dict[str, Any]) -> dict[str, Any] | Response:
    """Get tokens for an API key, or for the refresh token of an earlier sign-in."""
    grant = service.sign_in(ctx.stores, body)
    if grant is None:  # answered, not raised: what was revoked must stay so
        return answer_error(InvalidRefreshToken("The refresh token was used before; all that came of it is revoked."))
    claims = {
        "org": grant.organization,
        "permissions": grant.permissions,
        KEY_CLAIM: grant.key_id,
        "jti": grant.token_id,
    }
    return {
        "access_token": issue_token(current_app, grant.subject, claims, lifetime_s=grant.expires_in),
        "token_type": "Bearer",
        "expires_in": grant.expires_in,
        "refresh_token": grant.refresh_token,
        "refresh_expires_in": grant.refresh_expires_in,
        "permissions": grant.permissions,
    }


@endpoint(bp, "auth.token_revoke", "DELETE", "/token", needs="authenticated", audit="auth.token_revoked", status=204)
def revoke_token(ctx: Context) -> None:
    """Revoke the token this call presents."""
    service.revoke_token(ctx.stores)


@endpoint(
    bp, "api_key.create", "POST", "/api-keys", needs="organization:admin", audit="auth.api_key_created", status=201,
    body=ApiKeyBody(), returns=NewApiKeyOut(), location="/api/v1/auth/api-keys/{key_id}",
)  # fmt: skip
def create_api_key(ctx: Context, body: dict[str, Any]) -> service.NewApiKey:
    """Make an API key; it is shown in this answer only."""
    return service.create_api_key(ctx.stores, **body)


@endpoint(bp, "api_key.list", "GET", "/api-keys", needs="organization:admin", query=ApiKeyQuery(), returns=ApiKeyList())
def list_api_keys(ctx: Context, query: dict[str, Any]) -> Page:
    """List the organization's API keys."""
    return service.list_api_keys(ctx.stores, **query)


@endpoint(
    bp, "api_key.delete", "DELETE", "/api-keys/<key_id>", needs="organization:admin", audit="auth.api_key_deleted",
    status=204,
)  # fmt: skip
def delete_api_key(ctx: Context, key_id: str) -> None:
    """Delete an API key and revoke every token obtained with it."""
    service.delete_api_key(ctx.stores, key_id)
