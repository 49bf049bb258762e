"""``studio demo``."""

import sys
from pathlib import Path

import click

from studio.demo.story import tell


@click.command()
@click.option("--data", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Your own CSV or Parquet.")
@click.option("--target", help="Column of it to predict.")
@click.option("--budget", "budget_s", type=click.IntRange(5, 86400), default=30, show_default=True, metavar="SECONDS")
@click.option("--exit", "exit_at_end", is_flag=True, help="Stop the service at the end instead of leaving it running.")
def demo(data: Path | None, target: str | None, budget_s: int, exit_at_end: bool) -> None:
    """Go the whole way on real data: upload, train, promote, predict, watch.

    --budget is the time the training may take.
    """
    sys.exit(tell(data=data, target=target, budget_s=budget_s, exit_at_end=exit_at_end))
