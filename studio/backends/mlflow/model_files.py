"""MLflow model folders: written from an estimator, read back, and described without being loaded."""

import json
import logging
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import mlflow.pyfunc
import mlflow.sklearn
import numpy as np
import pandas as pd
import yaml
from mlflow.models import Model, ModelSignature
from mlflow.pyfunc import PyFuncModel
from mlflow.types import ColSpec, DataType, Schema
from mlflow.types.schema import AnyType

from studio.backends.mlflow.shipped_code import code_needs, pinned_requirements, write_code
from studio.tabular.written import Readable, WrittenNumber, from_json, readable, to_json

# It warns of cloudpickle at each model; that models run code is why only hosts and runs load them.
logging.getLogger("mlflow.sklearn").setLevel(logging.ERROR)


WRITTEN = "written"  # in a model's metadata
EXAMPLE_ROWS = 5
LARGEST_EXAMPLE_BYTES = 16 << 20


@dataclass(frozen=True)
class ModelColumn:
    """One column a model takes or gives.

    Attributes:
        type: MLflow's word: long, double, string, boolean, datetime and others; ``tensor`` where it is no
            column.
        written: How its values are written where they come as text, which MLflow then lets through; None where text
            is refused.
    """

    name: str
    type: str
    required: bool = True
    written: Readable | None = None


@dataclass(frozen=True)
class ModelSchema:
    """What a model folder says of itself.

    Attributes:
        inputs: Columns it takes; None where its folder has no signature.
        outputs: Columns it gives; None where its folder has no signature.
        flavors: Ways to load it, such as ``sklearn`` and ``python_function``.
    """

    inputs: list[ModelColumn] | None
    outputs: list[ModelColumn] | None
    flavors: list[str]


def save_model(
    folder: Path,
    estimator: Any,
    *,
    input_example: pd.DataFrame,
    description: Model | None = None,
    optional: Collection[str] = (),
    written: Mapping[str, Readable] | None = None,
) -> None:
    """Write an MLflow model folder of a fitted scikit-learn estimator, with our code it needs.

    Args:
        folder: Where to write; must not exist or be empty.
        estimator: Fitted; has ``predict``.
        input_example: A few rows cut from the training features, whose column types become the signature.
        description: Identity MLflow writes into the folder.
        optional: Columns of the example that a caller may leave out.
        written: How columns are written that may also come as text, by name.
    """
    forms = written or {}
    with tempfile.TemporaryDirectory() as work:
        dump = Path(work) / "estimator.pkl"
        with dump.open("w+b") as pickled:
            cloudpickle.dump(estimator, pickled)
            pickled.seek(0)
            needs = code_needs(pickled)
        mlflow.sklearn.save_model(
            estimator,
            str(folder),
            # A reference by name for importable classes, so that the shipped code is used; by value for
            # others.
            serialization_format=mlflow.sklearn.SERIALIZATION_FORMAT_CLOUDPICKLE,
            signature=signature_of(input_example, estimator.predict(input_example), optional, forms),
            metadata={WRITTEN: {name: to_json(form) for name, form in forms.items()}} if forms else None,
            input_example=input_example,
            code_paths=[str(write_code(needs.own, Path(work)))] if needs.own else None,
            # Given, because MLflow would otherwise load the model in a process of its own to find out.
            pip_requirements=pinned_requirements(needs.foreign),
            mlflow_model=description,
        )


def signature_of(
    inputs: pd.DataFrame, predictions: Any, optional: Collection[str] = (), written: Collection[str] = ()
) -> ModelSignature:
    """Signature with one named input column per feature and one output column ``prediction``.

    A whole-number column that held missing values is ``double`` here, as pandas stores it: as ``long`` MLflow
    would refuse the missing value later; so is an optional one, which may be missing in some rows. Columns that may
    also come as text are of any type, as MLflow knows no choice of two; its own server then takes JSON, not CSV.
    """
    columns = [
        ColSpec(AnyType(), str(name), required=name not in optional)
        if name in written
        else _column_of(inputs[name], str(name), name in optional)
        for name in inputs.columns
    ]
    return ModelSignature(
        inputs=Schema(columns),
        outputs=Schema([ColSpec(_type_of(pd.Series(np.asarray(predictions).ravel())), "prediction")]),
    )


def schema_of(mlmodel: bytes) -> ModelSchema:
    """Description in an ``MLmodel`` file.

    Args:
        mlmodel: Content of the file.
    """
    content: Mapping[str, Any] = yaml.safe_load(mlmodel)
    signature = Model.from_dict(dict(content)).signature
    forms = {
        name: readable(from_json(form)) for name, form in ((content.get("metadata") or {}).get(WRITTEN) or {}).items()
    }
    return ModelSchema(
        inputs=_columns(signature.inputs, forms) if signature else None,
        outputs=_columns(signature.outputs, {}) if signature else None,
        flavors=sorted(content.get("flavors", {})),
    )


def read_example(folder: Path) -> list[dict[str, Any]]:
    """The first rows of the table that MLflow keeps as a model's input example; none where it keeps another kind.

    Args:
        folder: A model folder.

    Returns:
        Column -> JSON value, None for a missing one.
    """
    file = folder / "input_example.json"
    if not file.is_file() or file.stat().st_size > LARGEST_EXAMPLE_BYTES:
        return []
    content = json.loads(file.read_bytes(), parse_constant=lambda word: None)  # NaN, which is not JSON
    if not isinstance(content, dict) or not isinstance(content.get("columns"), list):
        return []
    names = [str(name) for name in content["columns"]]
    return [dict(zip(names, row, strict=True)) for row in content["data"][:EXAMPLE_ROWS]]


def load_estimator(folder: Path) -> Any:
    """The scikit-learn estimator in a model folder. Runs the code in it: call it in a model host or a run
    alone.

    Raises:
        MlflowException: The folder has no ``sklearn`` flavor, or this process may not unpickle
            (environment_of).
    """
    with _code_path_last():
        return mlflow.sklearn.load_model(str(folder))


def load_pyfunc(folder: Path) -> PyFuncModel:
    """The generic model in a model folder. Runs the code in it: call it in a model host or a run alone.

    Raises:
        MlflowException: The folder is no MLflow model, or this process may not unpickle (environment_of).
    """
    with _code_path_last():
        return mlflow.pyfunc.load_model(str(folder))


@contextmanager
def _code_path_last() -> Iterator[None]:
    """A model's code is found first while it loads and last afterwards, so that it hides no package.

    Nothing is compiled into its folder, whose digest would then no longer be right.
    """
    before, sys.dont_write_bytecode = list(sys.path), True
    try:
        yield
    finally:
        sys.path[:] = before + [entry for entry in sys.path if entry not in before]


def _columns(schema: Schema | None, written: Mapping[str, Readable | None]) -> list[ModelColumn]:
    if schema is None:
        return []
    return [
        _describe(column, str(column.name) if column.name is not None else f"column_{place}", written)
        for place, column in enumerate(schema.inputs)
    ]


def _describe(column: Any, name: str, written: Mapping[str, Readable | None]) -> ModelColumn:
    kind, form = getattr(column, "type", None), written.get(name)
    is_required = bool(getattr(column, "required", True))
    if form is not None:
        return ModelColumn(name, "double" if isinstance(form, WrittenNumber) else "datetime", is_required, form)
    return ModelColumn(name, kind.name if isinstance(kind, DataType) else "tensor", is_required)


def _column_of(column: "pd.Series[Any]", name: str, is_optional: bool) -> ColSpec:
    kind = _type_of(column)
    if is_optional and kind in (DataType.long, DataType.integer):
        kind = DataType.double
    return ColSpec(kind, name, required=not is_optional)


def _type_of(column: "pd.Series[Any]") -> DataType:
    kind = column.dtype
    if pd.api.types.is_bool_dtype(kind):
        return DataType.boolean
    if isinstance(kind, pd.api.extensions.ExtensionDtype) and pd.api.types.is_integer_dtype(kind):
        return DataType.double
    if pd.api.types.is_integer_dtype(kind):
        return DataType.long
    if pd.api.types.is_float_dtype(kind):
        return DataType.double
    if pd.api.types.is_datetime64_any_dtype(kind):
        return DataType.datetime
    return DataType.string
