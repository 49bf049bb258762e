"""``studio``: the commands. Each is imported when called, so that asking for help costs no import of MLflow."""

import importlib
import sys

import click

from studio.config import BadConfig
from studio.errors import StudioError
from studio.version import VERSION

# Name: module:command, and what help says of it.
COMMANDS = {
    "api": ("studio.commands.api:api", "Serve the API alone."),
    "audit": ("studio.commands.audit:audit", "Prove that nobody touched the audit log."),
    "db": ("studio.commands.db:db", "Look after the databases."),
    "demo": ("studio.commands.demo:demo", "Go the whole way on real data."),
    "token": ("studio.commands.token:token", "Make access tokens."),
    "up": ("studio.commands.up:up", "Run the whole service on this machine."),
    "version": ("studio.commands.version:version", "Print the version."),
    "worker": ("studio.commands.worker:worker", "Run a worker alone."),
}


class LazyGroup(click.Group):
    """Commands that are imported when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, sorted."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name, imported."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List them in the help, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in sorted(COMMANDS.items())])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="Model Studio")
def studio() -> None:
    """From a table of data to a model in production, behind one API.

    Settings come from STUDIO_<NAME> in the environment and from the TOML file that STUDIO_CONFIG names.
    """


def main() -> None:
    """Run the command of the command line; a wrong setting or a refusal is one line, not a stack trace."""
    try:
        studio(prog_name="studio")
    except (BadConfig, StudioError) as error:
        click.echo(f"studio: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
