"""``studio worker``."""

import click

from studio.worker import main


@click.command()
def worker() -> None:
    """Run a worker alone: it trains, serves models and keeps appointments."""
    main()
