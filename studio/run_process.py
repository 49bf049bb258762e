"""The process of one training run, forked from the worker's fork server, which has loaded this module."""

from functools import partial
from pathlib import Path

from studio.config import Config
from studio.domain.actors import system_actor
from studio.json_logs import log_as_json
from studio.runtime import Runtime
from studio.training.jobs import train_run


def main(config: Config, organization: str, run_id: str, work_folder: Path) -> None:
    """Train one run to its end.

    Args:
        config: The settings, without secrets.
        organization: Whose run it is.
        run_id: Id of the run.
        work_folder: Folder that holds what must survive a crash of this process.
    """
    log_as_json(config.log_level)
    runtime = Runtime(config)
    train_run(partial(runtime.open_stores, system_actor(organization)), config, run_id, work_folder)


def be_ready() -> None:
    """Nothing: that this has run tells that the fork server has loaded everything a run needs."""
