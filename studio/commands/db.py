"""``studio db``."""

import click

from studio.process import begin


@click.group()
def db() -> None:
    """Look after the databases."""


@db.command()
def upgrade() -> None:
    """Create all tables, ours and MLflow's, or bring them up to date. Safe to repeat and to run twice at once."""
    config = begin("tool")
    from studio.preparation import prepare_databases  # MLflow reads what begin set while it is imported

    prepare_databases(config)
    click.echo("The databases are up to date.")
