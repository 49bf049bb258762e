"""``studio token``."""

import click
import httpx
from flask import Flask

from studio.config import Config
from studio.domain.permissions import ADMIN, ORGANIZATION_PERMISSIONS, VIEWER
from studio.web.identity import SLUG, install_identifier, issue_token

FIRST_USER, FIRST_EMAIL = "admin", "admin@localhost"
PROBE = "token-create"  # a service account: asking makes nobody a member
ASK_TIMEOUT_S = 2.0


@click.group()
def token() -> None:
    """Make access tokens."""


@token.command()
@click.option("--org", "organization", default="studio", show_default=True, help="Slug of the organization.")
@click.option("--user", help=f"User id, 1 to 128 characters.  [default: {FIRST_USER}]")
@click.option("--email", help="Address of the person; a user id without one is a service account.")
@click.option("--permissions", help=f"Some of {', '.join(sorted(ORGANIZATION_PERMISSIONS))}, with commas between.")
@click.option("--role", type=click.Choice([ADMIN, VIEWER]), help=f"[default: {ADMIN}, without --permissions]")
@click.option("--lifetime", "lifetime_s", type=click.IntRange(1, 10 * 365 * 86400), help="Seconds it is valid.")
def create(
    organization: str,
    user: str | None,
    email: str | None,
    permissions: str | None,
    role: str | None,
    lifetime_s: int | None,
) -> None:
    """Print a token for this installation; without options that of an admin of the organization `studio`.

    Whoever may read the signing secret may make tokens: run this where the service runs, with its settings. What
    the token is for is said on standard error.
    """
    config = Config.load()
    is_new = not config.has_secret
    config = config.prepare_folders()
    if "HS256" not in config.token_algorithms:
        raise click.ClickException("This service takes no tokens of its own: HS256 is not in token_algorithms.")
    if not SLUG.fullmatch(organization):
        raise click.BadParameter("must be a slug such as acme-2: small letters, digits, hyphens", param_hint="--org")
    if user is None:
        user, email = FIRST_USER, email or FIRST_EMAIL
    if not 1 <= len(user) <= 128:
        raise click.BadParameter("must have 1 to 128 characters", param_hint="--user")
    listed = _split(permissions)
    given = {"email": email, "permissions": listed, "role": role or (None if listed else ADMIN)}
    app = Flask("tokens")
    install_identifier(app, config)
    claims = {"org": organization, **{name: value for name, value in given.items() if value}}
    click.echo(issue_token(app, user, claims, lifetime_s=lifetime_s))
    _tell_service(config, is_new, issue_token(app, PROBE, {"org": organization, "permissions": ["model:read"]}))


def _tell_service(config: Config, is_new: bool, probe: str) -> None:
    """Say whose token it is, and warn where the service that runs takes no such token.

    Args:
        config: The settings.
        is_new: Whether the signing secret was made just now.
        probe: A token that is used once, to ask.
    """
    click.echo(f"This token is for the service with the data folder {config.data_folder}.", err=True)
    answer = _ask(config.listening_at, probe)
    if answer == httpx.codes.UNAUTHORIZED:
        click.echo(
            f"Warning: the service at {config.listening_at} refuses it, as it signs with another secret. Repeat this "
            "with the STUDIO_DATA_FOLDER or STUDIO_SIGNING_SECRET of that service.",
            err=True,
        )
    elif is_new:
        click.echo("No service has run there yet: start it with the same STUDIO_DATA_FOLDER.", err=True)


def _ask(address: str, probe: str) -> int | None:
    """Status of a call with a token; None where no service of ours answers."""
    try:
        with httpx.Client(base_url=address, timeout=ASK_TIMEOUT_S, trust_env=False) as client:
            headers = {"Authorization": f"Bearer {probe}"}
            answer = client.get("/api/v1/models", params={"page_size": 1}, headers=headers)
    except httpx.HTTPError:
        return None
    return answer.status_code if "X-Request-ID" in answer.headers else None


def _split(permissions: str | None) -> list[str]:
    names = [name.strip() for name in (permissions or "").split(",") if name.strip()]
    unknown = sorted(set(names) - ORGANIZATION_PERMISSIONS)
    if unknown:
        raise click.BadParameter(f"unknown: {', '.join(unknown)}", param_hint="--permissions")
    return names
