"""Loads a version's model in a model host. Runs the code in it: no other process may call this."""

import logging
import tempfile
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from studio.backends.mlflow.compilation import compile_model
from studio.backends.mlflow.digests import check_digest
from studio.backends.mlflow.hosted_model import HostedModel
from studio.backends.mlflow.model_files import load_estimator, load_pyfunc, read_example, schema_of
from studio.exports.onnx.compiled import CompiledModel

logger = logging.getLogger(__name__)

LOADER: Final = "studio.backends.mlflow.loading:load_version"
DEPLOYED_LOADER: Final = "studio.backends.mlflow.loading:load_deployed"


def load_version(address: str, digest: str | None = None) -> HostedModel:
    """The model in a version's folder, as its estimator where it is one, else as MLflow's generic model.

    Args:
        address: Path or ``s3://`` address of the folder, as ``Registry.storage_address`` gives it.
        digest: What ``digest_of`` said of the folder when it was written; None where nobody knows.

    Raises:
        ModelFilesChanged: The folder is not what was written; nothing of it was run.
        MlflowException: The folder is no MLflow model, or this process may not unpickle.
    """
    fetched = _Fetched(address, digest)
    return HostedModel(fetched.load(), fetched.schema.inputs, fetched.copied)


def load_deployed(
    address: str, digest: str | None = None, sample_address: str | None = None
) -> HostedModel | CompiledModel:
    """As ``load_version``, compiled where that can be and was seen to answer the same; takes some seconds longer.

    Args:
        address: As load_version.
        digest: As load_version.
        sample_address: Path or ``s3://`` address of a Parquet file of training rows to see it with; without one, or
            where it is gone, the example in the folder serves.

    Raises:
        ModelFilesChanged: As load_version.
        MlflowException: As load_version.
    """
    fetched = _Fetched(address, digest)
    model, columns = fetched.load(), fetched.schema.inputs
    sample = fetched.read_sample(sample_address) if columns and fetched.is_estimator else None
    if columns and sample is not None and len(sample):
        compiled = compile_model(model, columns, sample[[column.name for column in columns]])
        if compiled is not None:
            compiled.example_rows = read_example(fetched.folder)
            return compiled
    hosted = HostedModel(model, columns, fetched.copied)
    hosted.example_rows = read_example(fetched.folder)
    return hosted


class _Fetched:
    """A model folder on this machine, found to be what was written."""

    def __init__(self, address: str, digest: str | None) -> None:
        self.copied, self.folder = _fetch(address)
        if digest is not None:
            check_digest(self.folder, digest)
        self.schema = schema_of((self.folder / "MLmodel").read_bytes())

    @property
    def is_estimator(self) -> bool:
        return "sklearn" in self.schema.flavors

    def load(self) -> Any:
        return load_estimator(self.folder) if self.is_estimator else load_pyfunc(self.folder)

    def read_sample(self, address: str | None) -> pd.DataFrame | None:
        if address is not None:
            try:
                _copied, path = _fetch(address)
                return pd.read_parquet(path)
            except (OSError, MlflowException) as error:
                logger.info("no sample of training rows can be read: %s", error)
        example = Model.load(str(self.folder)).load_input_example(str(self.folder))
        return example if isinstance(example, pd.DataFrame) else None


def _fetch(address: str) -> tuple[Any, Path]:
    """What lies at an address, on this machine, and what must live as long as it is needed."""
    if not urlsplit(address).scheme:
        return None, Path(address)
    copied = tempfile.TemporaryDirectory(prefix="model-", ignore_cleanup_errors=True)
    folder, _, name = address.rpartition("/")
    return copied, Path(get_artifact_repository(folder).download_artifacts(name, copied.name))
