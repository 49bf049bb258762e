"""The session's installation."""

import contextlib
import shutil
import tempfile
from pathlib import Path

import pytest

from studio.config import Config
from tests.conftest import SECRET


@pytest.fixture(scope="session")
def place(empty_databases, tmp_path_factory):
    """An installation all tests of this folder share: each makes what it needs anew."""
    from tests.contract.installation import Installation  # what it imports reads settings that are not made yet

    folder = tmp_path_factory.mktemp("contract")
    for name in ("studio.db", "mlflow.db"):
        shutil.copyfile(empty_databases / name, folder / name)
    with tempfile.TemporaryDirectory(prefix="st-", dir="/tmp") as sockets:  # their paths must be short
        config = Config(
            data_folder=folder,
            database_url=f"sqlite:///{folder}/studio.db",
            mlflow_database_url=f"sqlite:///{folder}/mlflow.db",
            runtime_folder=Path(sockets),
            signing_secret=SECRET,
            rate_limit_per_minute=1_000_000,
            queue_limit=100_000,
        )
        with contextlib.closing(Installation(config.prepare_folders())) as place:
            yield place
