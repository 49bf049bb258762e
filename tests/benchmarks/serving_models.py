"""The models of the serving benchmark, trained by a running service or registered with it, and deployed there."""

import os
import time
from pathlib import Path

import orjson
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from studio.demo.client import MODELS, StudioClient

TARGET = "Churn"
ENDED = ("completed", "failed", "cancelled")
WITHIN_S = 300


class Client(StudioClient):
    """Calls of one caller, and waiting for what they lead to."""

    def wait(self, path, wanted, *, within_s=WITHIN_S):
        """Ask until the status is one of those; gives the last answer. Raises SystemExit after too long."""
        ends_at = time.monotonic() + within_s
        while (found := self.json("GET", path))["status"] not in wanted:
            if time.monotonic() > ends_at:
                raise SystemExit(f"{path} is not {wanted} after {within_s} s: {found}")
            time.sleep(0.2)
        return found


def read_telco(folder):
    """The table of customers who stay or leave, without their ids."""
    frame = pd.read_csv(folder / "telco.csv").drop(columns="customerID")
    frame["TotalCharges"] = pd.to_numeric(frame["TotalCharges"], errors="coerce")
    return frame


def train_model(client, frame, name, seconds):
    """A model that the service trained for so many seconds; gives its id, name and version."""
    files = {"file": ("telco.csv", frame.to_csv(index=False))}
    dataset = client.json("POST", f"{MODELS}/datasets", files=files, data={"name": name})["id"]
    model = client.json("POST", MODELS, json={
        "name": name, "model_type": "auto", "task_type": "classification",
        "config": {"target_column": TARGET},
    })["id"]  # fmt: skip
    client.json("POST", f"{MODELS}/{model}/dataset", json={"dataset_id": dataset})
    return model, train_again(client, model, seconds)


def train_again(client, model, seconds):
    """One more training of so many seconds; gives the version it made."""
    search = {"search": {"time_budget_seconds": seconds}}
    run = client.json("POST", f"{MODELS}/{model}/train", json={"config_override": search})["run_id"]
    ended = client.wait(f"{MODELS}/{model}/training-runs/{run}", ENDED, within_s=seconds + WITHIN_S)
    if ended["status"] != "completed":
        raise SystemExit(f"the training {ended['status']}: {ended}")
    return ended["version_produced"]


def register_pipeline(client, frame, name):
    """A usual scikit-learn pipeline, registered by an MLflow client; gives the model's id and version."""
    wanted = {"name": name, "model_type": "auto", "task_type": "classification"}
    model = client.json("POST", MODELS, json=wanted)["id"]
    pipeline = make_pipeline(frame)
    os.environ |= {"MLFLOW_TRACKING_TOKEN": client.token, "MLFLOW_TRACKING_URI": f"{client.address}/mlflow"}
    import mlflow  # reads the environment

    features = frame.drop(columns=TARGET)
    signature = mlflow.models.infer_signature(features, pipeline.predict(features.head()))
    mlflow.set_experiment(name)
    with mlflow.start_run():
        mlflow.sklearn.log_model(
            pipeline,
            name="model",
            signature=signature,
            input_example=features.head(),
            registered_model_name=name,
            serialization_format="cloudpickle",
        )
    found = client.json("GET", f"{MODELS}/{model}/versions")["results"]
    return model, found[0]["version_id"]


def make_pipeline(frame):
    """Imputer, one-hot and histogram boosting, fitted."""
    features = frame.drop(columns=TARGET)
    numbers = [name for name in features if features[name].dtype.kind in "if"]
    words = [name for name in features if name not in numbers]
    prepared = ColumnTransformer([
        ("numbers", SimpleImputer(), numbers),
        ("words", OneHotEncoder(handle_unknown="ignore", sparse_output=False), words),
    ])  # fmt: skip
    pipeline = Pipeline([("prepared", prepared), ("model", HistGradientBoostingClassifier(random_state=0))])
    return pipeline.fit(features, frame[TARGET])


def deploy(client, model, version, **more):
    """A deployment that answers; gives it."""
    made = client.json("POST", f"{MODELS}/{model}/deployments", json={"version_id": version, **more})
    found = client.wait(f"{MODELS}/{model}/deployments/{made['deployment_id']}", ("healthy", "failed"))
    if found["status"] != "healthy":
        raise SystemExit(f"the deployment is {found}")
    return found


def fetch_folder(client, name, version, folder):
    """The MLflow model folder of a version, for the peers."""
    os.environ |= {"MLFLOW_TRACKING_TOKEN": client.token, "MLFLOW_TRACKING_URI": f"{client.address}/mlflow"}
    import mlflow

    number = int(version.removeprefix("ver-"))
    return Path(mlflow.artifacts.download_artifacts(f"models:/{name}/{number}", dst_path=str(folder)))


def records_of(frame, count):
    """Rows as a caller sends them."""
    rows = frame.drop(columns=TARGET).head(count)
    return orjson.loads(rows.to_json(orient="records"))
