"""``studio token``."""

import click
from flask import Flask

from studio.config import Config
from studio.domain.permissions import ADMIN, ORGANIZATION_PERMISSIONS, VIEWER
from studio.web.identity import SLUG, install_identifier, issue_token

FIRST_USER, FIRST_EMAIL = "admin", "admin@localhost"


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

    Whoever may read the signing secret may make tokens: run this where the service runs.
    """
    config = Config.load().prepare_folders()
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


def _split(permissions: str | None) -> list[str]:
    names = [name.strip() for name in (permissions or "").split(",") if name.strip()]
    unknown = sorted(set(names) - ORGANIZATION_PERMISSIONS)
    if unknown:
        raise click.BadParameter(f"unknown: {', '.join(unknown)}", param_hint="--permissions")
    return names
