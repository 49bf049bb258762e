"""``studio api``."""

import os
import sys
from pathlib import Path

import click

import studio
from studio.config import Config

SETTINGS = Path(studio.__file__).resolve().parent.parent / "config" / "gunicorn.conf.py"


def command_line() -> list[str]:
    """What runs the API: gunicorn, from any folder."""
    return [sys.executable, "-m", "gunicorn", "-c", str(SETTINGS), "wsgi:app"]


@click.command()
def api() -> None:
    """Serve the API alone; a worker is to run beside it, here or elsewhere.

    On the embedded default the databases are brought up to date first; others want `studio db upgrade`.
    """
    Config.load()  # a wrong setting is told here in a line, by gunicorn in a stack trace
    line = command_line()
    os.execv(line[0], line)  # noqa: S606  no shell is wanted
