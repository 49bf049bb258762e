import pandas as pd
import pytest

from studio.backends.mlflow.registry import Registry
from studio.backends.mlflow.runs import Runs
from tests.mlflow_store import mlflow_connection, mlflow_template_database  # noqa: F401  (first: it sets up MLflow)


@pytest.fixture
def registry(mlflow_connection):  # noqa: F811
    return Registry(mlflow_connection, "acme")


@pytest.fixture
def runs(mlflow_connection):  # noqa: F811
    return Runs(mlflow_connection, "acme")


@pytest.fixture
def parcels():
    """Training features with one column of each type."""
    return pd.DataFrame(
        {
            "distance_km": [812.0, 15.5, 90.25, 401.0],
            "pieces": [1, 2, 3, 4],
            "floors": [1.0, None, 3.0, 2.0],
            "carrier": ["Nordvik", "Ansa", "Ansa", None],
            "is_fragile": [True, False, False, True],
            "sent_at": pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"]),
        }
    )
