"""MLflow on a SQLite file of the test's own: migrated once per session, copied per test."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from studio.backends.mlflow.environment import environment_of

# Before anything imports MLflow, which reads some of it while it is imported.
_NOWHERE = Path(tempfile.gettempdir()) / "model-studio-tests-use-no-default-store"
os.environ.update(environment_of(f"sqlite:///{_NOWHERE}/mlflow.db", str(_NOWHERE), loads_models=True))

from studio.backends.mlflow.connection import MlflowConnection  # noqa: E402
from studio.backends.mlflow.database import prepare  # noqa: E402


@pytest.fixture(scope="session")
def mlflow_template_database(tmp_path_factory):
    """Path of a migrated, empty MLflow database; copy it, never write to it."""
    path = tmp_path_factory.mktemp("mlflow-template") / "mlflow.db"
    prepare(f"sqlite:///{path}")
    return path


@pytest.fixture
def mlflow_connection(mlflow_template_database, tmp_path):
    """An MLflow of this test's own; its artifacts lie in ``tmp_path / "artifacts"``."""
    database = shutil.copyfile(mlflow_template_database, tmp_path / "mlflow.db")
    return MlflowConnection(f"sqlite:///{database}", str(tmp_path / "artifacts"))


def point_mlflow_server_at(connection):
    """Let this process's MLflow server, which remembers the first database it opened, use another."""
    from mlflow.server import handlers, workspace_helpers

    os.environ.update(environment_of(connection.tracking_url, connection.artifact_root, loads_models=True))
    handlers._tracking_store = handlers._model_registry_store = handlers._artifact_repo = None
    workspace_helpers._workspace_store = None
