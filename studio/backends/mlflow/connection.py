"""One installation's MLflow: its database and its artifact root, opened when first used."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow import MlflowClient
from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES

from studio.backends.mlflow.database import is_reachable
from studio.backends.mlflow.storage import ArtifactStorage
from studio.backends.mlflow.version_numbers import install_version_numbers
from studio.backends.mlflow.workspaces import bind_workspace, ensure_workspace, workspace_of
from studio.errors import BackendDown


class MlflowConnection:
    """Gives registries and runs their client. Cheap to make: nothing is opened before the first use.

    Safe to share between threads. Make it after a fork, or do not use it before one.
    """

    def __init__(self, tracking_url: str, artifact_root: str) -> None:
        """
        Args:
            tracking_url: SQLAlchemy URL of MLflow's database, whose tables are up to date.
            artifact_root: Folder or ``s3://bucket/prefix`` that holds all artifacts.

        Raises:
            RuntimeError: The process lacks the settings of ``environment_of``; organizations would share
                everything.
        """
        if not MLFLOW_ENABLE_WORKSPACES.get():
            raise RuntimeError("MLflow's workspaces are off: put environment_of(...) into the environment first.")
        install_version_numbers()
        self.tracking_url = tracking_url
        self.artifact_root = artifact_root
        self._client: MlflowClient | None = None
        self._opening = threading.Lock()

    @contextmanager
    def bound(self, organization: str) -> Iterator[MlflowClient]:
        """A client that sees only this organization within the block.

        Raises:
            BackendDown: MLflow's database does not answer.
        """
        client = self._opened()
        with bind_workspace(self.tracking_url, organization):
            yield client

    def ensure(self, organization: str) -> str:
        """Name of the organization's workspace, created on first use. Raises BackendDown."""
        self._opened()
        return ensure_workspace(self.tracking_url, organization)

    def storage(self, organization: str) -> ArtifactStorage:
        """The organization's part of the artifact root."""
        return ArtifactStorage(self.artifact_root, workspace_of(organization))

    def _opened(self) -> MlflowClient:
        with self._opening:
            if self._client is None:
                # MLflow tries for minutes before it reports a database that is down; this reports it at once.
                if not is_reachable(self.tracking_url):
                    raise BackendDown("MLflow's database does not answer.")
                self._client = MlflowClient(tracking_uri=self.tracking_url, registry_uri=self.tracking_url)
            return self._client
