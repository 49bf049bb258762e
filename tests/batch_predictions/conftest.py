"""A model with a promoted version, and real model hosts."""

import pytest

from tests.predictions.conftest import host_processes, serving  # noqa: F401  fixtures
from tests.versions.factories import make_loading_model


@pytest.fixture
def model(open_stores):
    """A model whose version ``ver-001`` is promoted."""
    return make_loading_model(open_stores)
