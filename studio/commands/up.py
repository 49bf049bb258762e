"""``studio up``."""

import sys
from pathlib import Path

import click
from rich.console import Console

from studio.config import Config
from studio.supervisor import CannotRun, run_all


@click.command()
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="Data folder.  [STUDIO_DATA_FOLDER]")
@click.option("--host", help="Address to listen on.  [STUDIO_HOST]")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on.  [STUDIO_PORT]")
@click.option("--log-to-stderr", is_flag=True, help="Log lines there, as containers want, not to logs/ in the data.")
def up(data: Path | None, host: str | None, port: int | None, log_to_stderr: bool) -> None:
    """Run the whole service on this machine: the API and a worker, until Ctrl-C.

    Databases are brought up to date first. What dies is started again.
    """
    given = {"data_folder": data, "host": host, "port": port}
    config = Config.load(**{name: value for name, value in given.items() if value is not None})
    try:
        status = run_all(config, log_to_stderr=log_to_stderr, say=_say)
    except CannotRun as error:
        raise click.ClickException(str(error)) from error
    sys.exit(status)


def _say(text: str) -> None:
    if sys.stdout.isatty():
        Console(highlight=True).print(text, markup=False)
    else:
        click.echo(text)
