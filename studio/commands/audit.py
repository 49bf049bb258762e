"""``studio audit``."""

import click

from studio.domain.actors import system_actor
from studio.process import begin


@click.group()
def audit() -> None:
    """Prove that nobody touched the audit log."""


@audit.command()
@click.option("--org", "organization", help="Slug of the one organization to look at.  [default: all]")
def verify(organization: str | None) -> None:
    """Recompute the chains of the audit log, a line for each organization; exits with 1 when one is broken.

    It only reads, and the service may go on meanwhile.
    """
    config = begin("tool")
    from studio.audit.service import list_organizations, verify_chain  # MLflow reads what begin set
    from studio.runtime import Runtime

    runtime = Runtime(config)
    with runtime.open_stores(system_actor(organization or ""), write=False) as stores:
        known = list_organizations(stores)
    if organization is not None and organization not in known:
        raise click.ClickException(f"{organization} has no audit log; these have: {', '.join(known) or 'none'}.")
    broken = False
    for name in known if organization is None else [organization]:
        with runtime.open_stores(system_actor(name), write=False) as stores:
            verdict = verify_chain(stores)
        state = "whole" if verdict.valid else f"BROKEN at {verdict.first_invalid}"
        click.echo(f"{name}: {state}, entries: {verdict.entries}")
        broken = broken or not verdict.valid
    if broken:
        raise click.exceptions.Exit(1)
