import re
import subprocess
import sys

import pytest
from mlflow import environment_variables
from mlflow.prompt.constants import _PROMPT_SOURCE_PLACEHOLDERS
from mlflow.server import constants, handlers

from studio.backends.mlflow.environment import SAFE_SOURCES, environment_of


def test_every_name_is_one_mlflow_reads():
    known = set(vars(environment_variables)) | {
        value for name, value in vars(constants).items() if name.endswith("_ENV_VAR")
    }
    known.add(handlers.STATIC_PREFIX_ENV_VAR)

    assert environment_of("sqlite://", "/somewhere").keys() <= known


def test_only_those_who_load_models_may_unpickle():
    name = environment_variables.MLFLOW_ALLOW_PICKLE_DESERIALIZATION.name

    assert environment_of("sqlite://", "/somewhere")[name] == "false"
    assert environment_of("sqlite://", "/somewhere", loads_models=True)[name] == "true"


@pytest.mark.parametrize(
    "source", ["runs:/1/model", "models:/m-1", "mlflow-artifacts:/1", *sorted(_PROMPT_SOURCE_PLACEHOLDERS)]
)
def test_sources_the_service_can_confine_are_taken(source):
    assert re.search(SAFE_SOURCES, source)


@pytest.mark.parametrize("source", ["s3://b/x", "/etc", "file:///etc", "http://h/x", "x runs:/1", "dummy-source/../x"])
def test_other_sources_are_not(source):
    assert not re.search(SAFE_SOURCES, source)


def test_the_settings_are_had_without_importing_mlflow():
    script = "import sys; import studio.backends.mlflow.environment; assert 'mlflow' not in sys.modules"

    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.slow
def test_importing_the_mount_starts_nothing_and_opens_nothing(tmp_path):
    script = f"""
import os, threading
from studio.backends.mlflow.environment import environment_of
os.environ.update(environment_of("sqlite:///{tmp_path}/mlflow.db", "{tmp_path}/artifacts"))
import studio.backends.mlflow.mount
from studio.backends.mlflow.connection import MlflowConnection
MlflowConnection("sqlite:///{tmp_path}/mlflow.db", "{tmp_path}/artifacts")
assert threading.active_count() == 1, threading.enumerate()
assert os.listdir("{tmp_path}") == []
"""

    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)
