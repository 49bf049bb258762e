"""The session's installation."""

import contextlib
import shutil
import tempfile
from pathlib import Path

import pytest

from studio.config import Config
from tests.conftest import SECRET
from tests.contract import batch_calls, deployment_calls, predict_calls, schedule_calls  # noqa: F401  they register their calls


@pytest.fixture(scope="session", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def place(request, tmp_path_factory):
    """An installation all tests of this folder share: each makes what it needs anew."""
    from tests.contract.installation import Installation  # what it imports reads settings that are not made yet

    folder = tmp_path_factory.mktemp("contract")
    own, mlflow = make_databases(request, folder)
    with tempfile.TemporaryDirectory(prefix="st-", dir="/tmp") as sockets:  # their paths must be short
        config = Config(
            data_folder=folder,
            database_url=own,
            mlflow_database_url=mlflow,
            runtime_folder=Path(sockets),
            signing_secret=SECRET,
            rate_limit_per_minute=1_000_000,
            sign_in_limit_per_minute=1_000_000,
            queue_limit=100_000,
        )
        with contextlib.closing(Installation(config.prepare_folders())) as place:
            yield place


@pytest.fixture(scope="module")
def ids(place):
    """Ids that any operation's path may name."""
    return {**place.make_ids(), "token": "bm90aGluZw.c2lnbmF0dXJl"}


@pytest.fixture(scope="module")
def document(place):
    """The OpenAPI document."""
    return place.app.test_client().get("/api/v1/openapi.json").json


def make_databases(request, folder):
    """Addresses of the own tables and of MLflow's, both empty."""
    if request.param == "sqlite":
        for name in ("studio.db", "mlflow.db"):
            shutil.copyfile(request.getfixturevalue("empty_databases") / name, folder / name)
        return f"sqlite:///{folder}/studio.db", f"sqlite:///{folder}/mlflow.db"
    from tests.schema import create_all_tables

    server = request.getfixturevalue("postgres_server")
    url = server.url_of(server.new_database(server.template("studio", create_all_tables)))
    return url, url
