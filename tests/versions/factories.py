"""Versions to test with, as training runs and MLflow clients leave them."""

import secrets
from contextlib import contextmanager, suppress
from functools import cache

from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from studio.domain.identifiers import new_run_id
from studio.versions import service as versions
from tests.factories import make_model, parcels

FEATURES = ["distance_km", "weight_kg", "carrier", "is_fragile"]
EMPTY_FOLDER = "mlflow-artifacts:/workspaces/acme/1/none"


def add_run(stores, model, run_id=None):
    """Ids of a run of ours and of its MLflow run."""
    run_id = run_id or new_run_id(stores.now())
    return run_id, stores.runs.create_run(model.name, run_id=run_id, run_name="first", started_at=stores.now())


def add_version(stores, model, *, run_id=None, mlflow_run_id=None, **facts):
    """A version as the end of a run makes it; without ``source`` its model folder is not there."""
    if mlflow_run_id is None:
        run_id, mlflow_run_id = add_run(stores, model, run_id)
    facts = {
        "source": EMPTY_FOLDER,
        "algorithm": "lightgbm",
        "hyperparameters": {"n_estimators": 150},
        "config": {"target_column": "late"},
        "metrics": {"accuracy": 0.9, "log_loss": 0.3, "roc_auc": None},
        "duration_s": 95.0,
        "trained_by": "user-1",
        "model_file": None,
        **facts,
    }
    return versions.register_version(stores, model.id, run_id=run_id, mlflow_run_id=mlflow_run_id, **facts)


class CutOffError(Exception):
    """Stands for the end of a process."""


@contextmanager
def cut_off(open_stores):
    """Stores of a process that ends just before its commit."""
    with suppress(CutOffError), open_stores() as stores:
        yield stores
        raise CutOffError


def add_by_client(runtime, model, source=EMPTY_FOLDER):
    """Number of a version as a plain MLflow client registers it."""
    with runtime.connection.bound("acme") as client:
        return int(client.create_model_version(model.name, source, await_creation_for=0).version)


@cache
def classifier():
    """A fitted pipeline for ``late``, with gaps filled."""
    return _pipeline(LogisticRegression(max_iter=5000)).fit(parcels()[FEATURES], parcels()["late"])


@cache
def regressor():
    """A fitted pipeline for ``delay_h``."""
    return _pipeline(LinearRegression()).fit(parcels()[FEATURES], parcels()["delay_h"])


def add_model_version(stores, model, estimator, **facts):
    """A ready version with a model folder that loads."""
    run_id, mlflow_run_id = add_run(stores, model)
    saved = stores.runs.log_model(mlflow_run_id, estimator, input_example=example_of(parcels()))
    return add_version(
        stores, model, run_id=run_id, mlflow_run_id=mlflow_run_id, source=saved.uri, digest=saved.digest, **facts
    )


def make_loading_model(open_stores):
    """A model whose version ``ver-001`` loads and is promoted."""
    with open_stores() as stores:
        model = make_model(stores)
    with open_stores() as stores:
        version = add_model_version(stores, model, classifier())
        versions.promote_version(stores, model.id, version.id)
    return model


def example_of(frame):
    """A few rows of the features, without gaps."""
    return frame[FEATURES].dropna().head(5)


def random_id():
    """An id of a model nobody has."""
    return f"mdl-{secrets.token_hex(4)}"


def _pipeline(last):
    numbers, words = ["distance_km", "weight_kg", "is_fragile"], ["carrier"]
    columns = make_column_transformer(
        (SimpleImputer(), numbers), (OneHotEncoder(handle_unknown="ignore"), words), verbose_feature_names_out=False
    )
    return make_pipeline(columns, last)
