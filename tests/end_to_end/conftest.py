"""The real service, for the tests of a file."""

import tempfile
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.test_up import Service


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A service that is up; its processes must end when told to."""
    with tempfile.TemporaryDirectory(prefix="st-", dir="/tmp") as sockets:
        service = Service(tmp_path_factory.mktemp("up"), Path(sockets))
        service.await_line("Model Studio is ready")
        yield service
        service.process.terminate()
        service.process.wait(60)


@pytest.fixture(scope="module")
def api(service):
    """Its API, to an administrator."""
    address, headers = f"http://127.0.0.1:{service.port}", {"Authorization": f"Bearer {service.token()}"}
    with httpx.Client(base_url=address, headers=headers, timeout=120, trust_env=False) as client:
        yield client
