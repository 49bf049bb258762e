"""``studio version``."""

import click

from studio.version import VERSION


@click.command()
def version() -> None:
    """Print the version."""
    click.echo(VERSION)
