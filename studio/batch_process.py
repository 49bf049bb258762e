"""The process of one batch prediction, forked from the worker's fork server."""

from functools import partial
from pathlib import Path

from studio.batch_predictions.jobs import predict_dataset
from studio.config import Config
from studio.domain.actors import system_actor
from studio.json_logs import log_as_json
from studio.runtime import Runtime


def main(config: Config, organization: str, batch_id: str, work_folder: Path) -> None:
    """Do one job to its end.

    Args:
        config: The settings, without secrets.
        organization: Whose job it is.
        batch_id: Id of the job.
        work_folder: Folder that holds what must survive a crash of this process.
    """
    log_as_json(config.log_level)
    runtime = Runtime(config)
    predict_dataset(partial(runtime.open_stores, system_actor(organization)), batch_id, work_folder)
