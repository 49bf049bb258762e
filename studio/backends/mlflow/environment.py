"""The settings MLflow reads from the environment, as a dictionary; importing this file does not import
MLflow.

MLflow decides several things while it is imported (its URL prefix, its security middleware, whether
workspaces are on), so a process must have these settings in its environment first. Importing MLflow takes
seconds: its names are therefore spelled here, and a test compares them with MLflow's own constants.
"""

from typing import Final

PREFIX: Final = "/mlflow"
PROXIED_ARTIFACTS: Final = "mlflow-artifacts:/"

# Sources a model version may name when an MLflow client registers it. Anything else (s3://, file://,
# https://) would make the service read that place with its own rights. The two bare words are what MLflow's
# prompts use.
SAFE_SOURCES: Final = r"\A(?:runs:/|models:/|mlflow-artifacts:/|dummy-source\Z|prompt-template\Z)"


def environment_of(tracking_url: str, artifact_root: str, *, loads_models: bool = False) -> dict[str, str]:
    """What must stand in a process's environment before it imports MLflow.

    Args:
        tracking_url: SQLAlchemy URL of MLflow's database.
        artifact_root: Folder or ``s3://bucket/prefix`` below which artifacts are stored.
        loads_models: True in model hosts and training runs alone: unpickling a model runs the code in it.

    Returns:
        Values by variable name, the same for every process of one installation but for ``loads_models``.
    """
    return {
        "MLFLOW_TRACKING_URI": tracking_url,
        "MLFLOW_ENABLE_WORKSPACES": "true",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "true" if loads_models else "false",
        "MLFLOW_CREATE_MODEL_VERSION_SOURCE_VALIDATION_REGEX": SAFE_SOURCES,
        "_MLFLOW_SERVER_FILE_STORE": tracking_url,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": PROXIED_ARTIFACTS,
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": artifact_root,
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_STATIC_PREFIX": PREFIX,
        # The guard decides who may call and from which origin; MLflow's check knows only loopback host names.
        "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "true",
        **_switched_off(),
    }


def _switched_off() -> dict[str, str]:
    """Parts of MLflow that would call out, start processes or reach what the guard does not know."""
    return {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_DISABLE_AGENT_HINT": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_SERVER_JOB_ENABLE_PERIODIC_TASKS": "false",
        "MLFLOW_SERVER_ENABLE_CUSTOM_SCORERS": "false",
        "MLFLOW_ENABLE_AI_GATEWAY": "false",
        "MLFLOW_ENABLE_REMOTE_ASSISTANT": "false",
        "MLFLOW_ENABLE_ASSISTANT_SANDBOX": "false",
        "MLFLOW_UV_AUTO_DETECT": "false",
        "MLFLOW_LOG_UV_FILES": "false",
        "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
        "MLFLOW_PRINT_MODEL_URLS_ON_CREATION": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_CONFIGURE_LOGGING": "false",
    }
