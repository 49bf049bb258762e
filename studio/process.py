"""What every process of the service does before it imports anything heavy.

MLflow and the numeric libraries read the environment while they are imported: a process that imports them first and
configures them later runs with their defaults. So the entry of each process calls ``begin`` and imports afterwards.
"""

import logging
from pathlib import Path
from typing import Literal

from studio.backends.mlflow.environment import environment_of
from studio.config import Config, drop_secrets_from_environment, export_environment
from studio.json_logs import log_as_json

Part = Literal["api", "worker", "tool"]


def begin(part: Part, config: Config | None = None) -> Config:
    """Read the settings, make the folders, and put into the environment what libraries read there.

    Args:
        part: Which process this is. The worker's children load models; the API never does.
        config: Settings read already, None to read them.

    Returns:
        The settings.

    Raises:
        BadConfig: A setting is wrong; names it.
    """
    config = (config or Config.load()).prepare_folders()
    log_as_json(config.log_level)
    export_environment(environment_of(config.mlflow_database_url, mlflow_root(config), loads_models=part == "worker"))
    # onnxruntime would start a thread that sends what it does to its maker, and that no forked process survives.
    export_environment({"ORT_DISABLE_TELEMETRY": "1"})
    if config.s3_endpoint_url:
        export_environment({"MLFLOW_S3_ENDPOINT_URL": config.s3_endpoint_url})
    if config.s3_region:
        export_environment({"AWS_DEFAULT_REGION": config.s3_region})
    if part == "api":
        export_environment({"PROMETHEUS_MULTIPROC_DIR": str(metrics_folder(config))})
    if part == "worker":
        drop_secrets_from_environment()
    logging.captureWarnings(True)
    return config


def mlflow_root(config: Config) -> str:
    """Where MLflow keeps its artifacts: below the artifact root of the service."""
    return f"{config.artifact_root}/mlflow"


def metrics_folder(config: Config) -> Path:
    """Where the processes of the API share their Prometheus figures; emptied at every start."""
    folder = config.runtime_folder / "metrics"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder
