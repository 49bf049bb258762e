"""A model with a promoted version, and real model hosts."""

import pytest

from tests.factories import make_model
from tests.predictions.conftest import host_processes, serving  # noqa: F401  fixtures
from tests.versions.factories import add_model_version, classifier


@pytest.fixture
def model(open_stores):
    """A model whose version ``ver-001`` is promoted."""
    from studio.versions import service as versions

    with open_stores() as stores:
        model = make_model(stores)
    with open_stores() as stores:
        add_model_version(stores, model, classifier())
        versions.promote_version(stores, model.id, "ver-001")
    return model
