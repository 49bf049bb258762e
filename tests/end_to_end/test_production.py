"""The whole service on PostgreSQL and S3, as ``config/production.toml`` has it, from a table to predictions."""

import os
import subprocess
import sys
import tempfile

import pytest

from tests.services import free_ports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

STORY_S = 600


@pytest.fixture
def environment(tmp_path, postgres_url, s3_server):
    """Settings of an installation that keeps nothing but work folders on this machine."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "PROMETHEUS_"))}
    with tempfile.TemporaryDirectory(prefix="st-", dir="/tmp") as sockets:
        yield {
            **inherited,
            "STUDIO_DATABASE_URL": postgres_url,
            "STUDIO_ARTIFACT_ROOT": f"s3://{s3_server.new_bucket()}/studio",
            "STUDIO_S3_ENDPOINT_URL": s3_server.endpoint_url,
            "STUDIO_S3_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": s3_server.access_key,
            "AWS_SECRET_ACCESS_KEY": s3_server.secret_key,
            "STUDIO_DATA_FOLDER": str(tmp_path / "data"),
            "STUDIO_RUNTIME_FOLDER": sockets,
            "STUDIO_PORT": str(free_ports(1)[0]),
        }


def run(environment, folder, *arguments):
    command = [sys.executable, "-m", "studio.cli", *arguments]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=STORY_S)


def test_the_demo_goes_the_whole_way(environment, tmp_path):
    prepared = run(environment, tmp_path, "db", "upgrade")
    assert prepared.returncode == 0, prepared.stderr
    told = run(environment, tmp_path, "demo", "--budget", "10", "--exit")
    assert told.returncode == 0, told.stdout + told.stderr
    assert (tmp_path / "roc-curve.png").stat().st_size > 1000
    kept = {path.relative_to(tmp_path / "data").parts[0] for path in (tmp_path / "data").rglob("*.db")}
    assert kept == set(), "tables were kept on this machine"
    assert not (tmp_path / "data" / "artifacts").exists()
