"""Databases brought up to date, ours and MLflow's."""

from studio.backends.mlflow import database as mlflow_tables
from studio.config import Config
from studio.db.upgrade import upgrade


def prepare_databases(config: Config) -> None:
    """Create all tables or bring them up to date; does nothing, in milliseconds, when they are.

    Safe to call from several processes at once.

    Raises:
        BackendDown: A database does not answer.
        SchemaTooNew: A later version of the service has been here.
    """
    upgrade(config)
    mlflow_tables.prepare(config.mlflow_database_url)
