"""Reads bearer tokens: signature, claims, and the actor they name.

Each algorithm has its own kind of key, chosen by configuration and never by the token: a token that says HS256 is
checked with the secret alone, one that says RS256 or ES256 with the public keys alone.
"""

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token, decode_token
from flask_jwt_extended.exceptions import JWTExtendedException

from studio.config import Config
from studio.domain.actors import Actor, ActorType
from studio.domain.permissions import ORGANIZATION_PERMISSIONS
from studio.errors import BackendDown, TokenExpired, TokenInvalid, TokenMissing

LEEWAY_S = 30
SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
ROLES = ("organization:admin", "organization:viewer")
KEY_CLAIM = "api_key"
JWKS_TIMEOUT_S = 5
CHECKED_FOR_S = 30.0  # as long as a key its issuer has withdrawn may go on
CHECKED_AT_MOST = 2048


class Identifier:
    """Turns the Authorization header of a call into an actor."""

    def __init__(self, app: Flask, config: Config) -> None:
        self._app = app
        self._algorithms = config.token_algorithms
        self._secret = config.signing_secret.get_secret_value()
        self._public_key = config.token_public_key
        url = config.token_jwks_url
        self._checked: dict[str, tuple[Actor, float]] = {}
        self._key_set = jwt.PyJWKClient(url, timeout=JWKS_TIMEOUT_S, lifespan=300) if url else None
        app.config.update(
            JWT_SECRET_KEY=self._secret,
            JWT_ALGORITHM="HS256",
            JWT_DECODE_ALGORITHMS=list(self._algorithms),
            JWT_DECODE_ISSUER=config.token_issuer,
            JWT_ENCODE_ISSUER=config.token_issuer,
            JWT_DECODE_AUDIENCE=config.token_audience,
            JWT_ENCODE_AUDIENCE=config.token_audience,
            JWT_DECODE_LEEWAY=LEEWAY_S,
            JWT_ACCESS_TOKEN_EXPIRES=timedelta(seconds=config.token_lifetime_s),
        )

    def identify(self, authorization: str | None) -> Actor:
        """The caller behind an Authorization header.

        Raises:
            TokenMissing: There is no bearer token.
            TokenInvalid: It is malformed, wrongly signed, for others, or lacks a claim.
            TokenExpired: It is over.
            BackendDown: The key set cannot be fetched.
        """
        scheme, _, raw = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not raw.strip():
            raise TokenMissing("Send a token as `Authorization: Bearer <token>`.")
        return self._known(raw.strip()) or self._learn(raw.strip())

    def _known(self, raw: str) -> Actor | None:
        """The actor of a token that was checked a moment ago: its content cannot change, only its time can come."""
        actor, checked_at = self._checked.get(raw, (None, 0.0))
        if actor is None or time.monotonic() - checked_at > CHECKED_FOR_S:
            return None
        assert actor.expires_at is not None
        return actor if time.time() < actor.expires_at.timestamp() else None

    def _learn(self, raw: str) -> Actor:
        actor = actor_of(self._decode(raw))
        if len(self._checked) >= CHECKED_AT_MOST:
            self._checked.clear()
        self._checked[raw] = (actor, time.monotonic())
        return actor

    def find_key(self, header: dict[str, Any], payload: dict[str, Any]) -> Any:
        """The key that must have signed a token with this header."""
        algorithm = header.get("alg")
        if algorithm not in self._algorithms:
            raise TokenInvalid(f"Tokens signed with {algorithm} are not accepted here.")
        if algorithm == "HS256":
            return self._secret
        if self._key_set is not None:
            try:
                return self._key_set.get_signing_key(str(header.get("kid"))).key
            except jwt.PyJWKClientConnectionError as error:
                raise BackendDown("The token issuer's key set cannot be fetched.") from error
            except jwt.PyJWKClientError as error:
                raise TokenInvalid("The token names a key that its issuer does not publish.") from error
        return self._public_key

    def _decode(self, raw: str) -> dict[str, Any]:
        try:
            with self._app.app_context():
                claims: dict[str, Any] = decode_token(raw)
        except jwt.ExpiredSignatureError as error:
            raise TokenExpired("The token has expired; get a new one.") from error
        except (jwt.InvalidTokenError, JWTExtendedException, jwt.InvalidKeyError, ValueError) as error:
            raise TokenInvalid("The token is not valid here.") from error
        return claims


def install_identifier(app: Flask, config: Config) -> Identifier:
    """Set up token reading and issuing for an application."""
    identifier = Identifier(app, config)
    JWTManager(app).decode_key_loader(identifier.find_key)
    return identifier


def issue_token(app: Flask, subject: str, claims: dict[str, Any], *, lifetime_s: int | None = None) -> str:
    """A signed token of our own.

    Args:
        app: The application, set up by install_identifier.
        subject: The user id.
        claims: Further claims: ``org``, ``email``, ``permissions``.
        lifetime_s: Its life in seconds; None for the setting's.
    """
    expires = None if lifetime_s is None else timedelta(seconds=lifetime_s)
    with app.app_context():
        return str(create_access_token(subject, additional_claims=claims, expires_delta=expires))


def actor_of(claims: dict[str, Any]) -> Actor:
    """The actor that checked claims name.

    Raises:
        TokenInvalid: A required claim is missing or not of its form.
    """
    missing = [name for name in ("sub", "org", "iss", "aud", "exp", "iat") if claims.get(name) in (None, "")]
    if missing:
        raise TokenInvalid(f"The token lacks the claim {missing[0]}.")
    subject, organization, email = claims["sub"], claims["org"], claims.get("email")
    if not isinstance(subject, str) or not 1 <= len(subject) <= 128:
        raise TokenInvalid("The token's sub must be a text of 1 to 128 characters.")
    if not isinstance(organization, str) or not SLUG.fullmatch(organization):
        raise TokenInvalid("The token's org is not an organization's slug.")
    if email is not None and (not isinstance(email, str) or len(email) > 320):
        raise TokenInvalid("The token's email is not an address.")
    return Actor(
        organization=organization,
        user_id=subject,
        email=email,
        type=ActorType.USER if email else ActorType.SERVICE,
        permissions=_permissions_of(claims),
        is_ceiling=KEY_CLAIM in claims,
        token_id=claims["jti"] if isinstance(claims.get("jti"), str) else None,
        expires_at=datetime.fromtimestamp(int(claims["exp"]), UTC),
    )


def _permissions_of(claims: dict[str, Any]) -> frozenset[str]:
    listed = claims.get("permissions", [])
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise TokenInvalid("The token's permissions must be a list of texts.")
    role = claims.get("role")
    given = {*listed, role} if role in ROLES else set(listed)
    return frozenset(given & ORGANIZATION_PERMISSIONS)
