"""The README's tour with curl, pasted into a shell as it stands, against the real processes."""

import os
import re
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.services import free_ports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
TOUR_S = 700


@pytest.fixture
def folder(tmp_path):
    """What a clone has that the tour needs; what it writes goes beside that."""
    for name in ("Makefile", "setup.cfg", "pyproject.toml", "config", ".venv", "studio"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def test_the_tour_goes_from_a_table_to_a_prediction(folder):
    section = (ROOT / "README.md").read_text().split("\n## A tour with curl\n")[1]
    script = re.search(r"```sh\n(.*?)```", section, flags=re.DOTALL)[1]
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="st-", dir="/tmp") as sockets:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "STUDIO_"))}
        environment = {**inherited, "STUDIO_PORT": str(port), "STUDIO_RUNTIME_FOLDER": sockets}
        with (folder / "told").open("w") as told:  # the service goes on after the script and would hold a pipe
            shell = subprocess.Popen(
                ["bash", "-eu", "-o", "pipefail", "-c", script.replace("8321", str(port))],
                cwd=folder, env=environment, stdout=told, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        try:
            status = shell.wait(TOUR_S)
        finally:
            os.killpg(shell.pid, signal.SIGTERM)
    text = (folder / "told").read_text()
    assert status == 0, text
    assert "\ncompleted\n" in text
    assert re.search(r'"is_promoted": ?true', text), text
    assert re.search(r'"prediction": ?"(yes|no)"', text), text
    assert "model.version_promoted" in text
    assert (folder / "roc.svg").read_text().rstrip().endswith("</svg>")
