"""Settings to open stores: the only file that picks an implementation."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from studio.backends.files.local_files import LocalFiles
from studio.backends.files.port import FileStore
from studio.backends.files.s3_files import S3Files
from studio.backends.mlflow.connection import MlflowConnection
from studio.backends.mlflow.registry import Registry
from studio.backends.mlflow.runs import Runs
from studio.backends.serving.local_hosts import LocalHosts
from studio.backends.serving.routes import Routes
from studio.backends.stores import Stores, Tracking
from studio.clock import Clock, utc_now
from studio.config import Config
from studio.db.session import Database
from studio.deployments import service as deployments
from studio.domain.actors import Actor
from studio.process import mlflow_root


class Runtime:
    """Everything one process opens stores from; cheap to make, nothing is connected before the first use."""

    def __init__(self, config: Config, *, clock: Clock = utc_now) -> None:
        self.config = config
        self.clock = clock
        self.database = Database(config.database_url)
        self.files: FileStore = files_of(config)
        self.connection = MlflowConnection(config.mlflow_database_url, mlflow_root(config))
        self.hosts = LocalHosts(config.runtime_folder)
        self.routes = Routes(
            partial(deployments.read_routes, self.database), partial(deployments.add_counts, self.database)
        )
        self._tracking = Tracking(partial(Registry, self.connection), partial(Runs, self.connection))

    @contextmanager
    def open_stores(self, actor: Actor, *, write: bool) -> Iterator[Stores]:
        """Stores for one actor in one transaction, committed on return, rolled back on any exception.

        Args:
            actor: On whose behalf.
            write: Whether own tables may be written.

        Raises:
            BackendDown: The database does not answer.
        """
        with self.database.transaction(write=write) as session:
            yield Stores(
                db=session,
                actor=actor,
                files=self.files,
                hosts=self.hosts,
                routes=self.routes,
                tracking=self._tracking,
                config=self.config,
                clock=self.clock,
                open_apart=partial(self.open_stores, actor),
            )

    def after_fork(self) -> None:
        """Let go of connections that belong to the parent process."""
        self.database.forget()


def files_of(config: Config) -> FileStore:
    """The file store of the settings: a folder, or a bucket."""
    parts = urlsplit(config.artifact_root)
    if parts.scheme != "s3":
        return LocalFiles(Path(config.artifact_root))
    return S3Files(
        parts.netloc,
        parts.path.strip("/"),
        endpoint_url=config.s3_endpoint_url,
        public_url=config.s3_public_url,
        region=config.s3_region,
    )
