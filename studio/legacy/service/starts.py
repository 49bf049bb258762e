"""Takes a table in and trains a model on it: all of it, or nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, TypeVar

from studio.backends.stores import Note, OpenStores, Stores
from studio.datasets import service as datasets
from studio.domain.datasets import Dataset
from studio.domain.model_config import merge_layers
from studio.domain.model_records import Model
from studio.domain.permissions import Needs
from studio.domain.run_records import TrainingRun
from studio.domain.tasks import ModelType, TaskType
from studio.errors import ConfigIncomplete, DatasetUnreadable, Forbidden, NameTaken
from studio.models import service as models
from studio.organizations import service as organizations
from studio.training import service as training

PARQUET_MAGIC = b"PAR1"
UNNAMED = "train-from-parquet"
UPLOADING, MAKING = Needs.parse("dataset:write"), Needs.parse("model:write")

T = TypeVar("T")


@dataclass(frozen=True)
class Start:
    """What is to be trained.

    Attributes:
        task: What is learned.
        target: Column to predict; None for a task without one.
        algorithm: Name of an algorithm, or ``auto``.
        test_size: Share of the rows kept for the test, above 0 and below 1.
        name: Name of the model; None makes one up.
    """

    task: TaskType
    target: str | None
    algorithm: str
    test_size: float
    name: str | None


def may_use(stores: Stores) -> bool:
    """Whether the caller may upload datasets and write to a model at least, if it may not make one."""
    return UPLOADING.allow(stores.actor, None, lambda: False) and models.find_reach(stores, "model:write") is not None


def start_from_parquet(
    open_stores: OpenStores, append_audit: Callable[[Stores, str, Note], None], content: IO[bytes], wanted: Start
) -> TrainingRun:
    """Make a dataset of a Parquet file, link it to a model, new or re-used, configure that and start a run.

    Args:
        open_stores: Opens stores of the caller; give ``write``.
        append_audit: Appends the entry of an action.
        content: The file, on disk.
        wanted: What is to be trained.

    Raises:
        DatasetUnreadable: It is no Parquet file, or broken.
        DatasetEmpty: No column or no row.
        DuplicateColumns: A name stands more than once.
        NameTaken: There is a model of that name which the caller may not write to, or which learns something else.
        Forbidden: There is none, and the caller may not make one.
        StudioError: As linking, configuring and starting refuse.
    """
    dataset_id = None
    try:
        with open_stores(write=True) as stores:
            work = _Work(stores)
            dataset = work.note("dataset.created", _take_in(stores, content, wanted))
            dataset_id = dataset.id
            name = wanted.name or f"parquet-{dataset.id}"
            model = _find_model(stores, name, wanted.task)
            is_new = model is None
            model = model or work.note("model.created", _draft(stores, name, wanted.task))
            work.note("model.dataset_linked", models.link_dataset(stores, model.id, dataset.id, validate_schema=False))
            own = _config_of(stores, dataset, wanted)
            work.note("model.config_updated", models.replace_config(stores, model.id, own))
            run = work.note("model.training_started", training.start_run(stores, model.id, trigger="legacy"))
            if is_new:
                models.register_model(stores, model)
            for action, said in work.notes:
                append_audit(stores, action, said)
        return run
    except BaseException:
        if dataset_id is not None:
            datasets.discard_upload(open_stores, dataset_id)
        raise


class _Work:
    """What is done in one transaction, each step with its own audit entry."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self.notes: list[tuple[str, Note]] = []

    def note(self, action: str, result: T) -> T:
        """Keep what a step said under its action; gives back the step's result."""
        said, self._stores.note = self._stores.note, None
        if said is not None:
            self.notes.append((action, said))
        return result


def _take_in(stores: Stores, content: IO[bytes], wanted: Start) -> Dataset:
    start = content.read(len(PARQUET_MAGIC))
    if start and start != PARQUET_MAGIC:
        raise DatasetUnreadable("The file must be Parquet, which begins with PAR1.")
    return datasets.upload_dataset(stores, content, name=wanted.name or UNNAMED)


def _find_model(stores: Stores, name: str, task: TaskType) -> Model | None:
    """The model of a name, None where there is none. Raises NameTaken where it cannot be used."""
    model_id = models.find_model_by_name(stores, name)
    if model_id is None:
        return None
    if not models.allows(stores, model_id, "model:write"):
        raise NameTaken(name)
    model = models.get_model(stores, model_id)
    if model.model_type is not ModelType.AUTO or model.task_type is not task:
        raise NameTaken(name)
    return model


def _draft(stores: Stores, name: str, task: TaskType) -> Model:
    if not MAKING.allow(stores.actor, None, lambda: False):
        raise Forbidden(f"There is no model {name!r}, and making one needs model:write, which your token lacks.")
    return models.draft_model(stores, name=name, model_type=ModelType.AUTO, task_type=task)


def _config_of(stores: Stores, dataset: Dataset, wanted: Start) -> dict[str, Any]:
    """The model's own configuration; what is not asked for is left to the layers below."""
    below, _ = merge_layers(ModelType.AUTO, organizations.find_overrides(stores), {})
    validation = {"test_size": wanted.test_size}
    if wanted.test_size + below["validation"]["validation_size"] >= 1:  # something must be left to train on
        validation["validation_size"] = round((1 - wanted.test_size) / 2, 6)
    own: dict[str, Any] = {"algorithm": wanted.algorithm, "validation": validation}
    if wanted.target is not None:
        own["target_column"] = wanted.target
    if wanted.task is TaskType.TIME_SERIES:
        own |= {"time_column": _time_column_of(dataset, wanted), "horizon": 1}
    return own


def _time_column_of(dataset: Dataset, wanted: Start) -> str:
    stamps = [column.name for column in dataset.columns if column.type == "datetime" and column.name != wanted.target]
    if len(stamps) != 1:
        found = ", ".join(repr(name) for name in stamps) or "none"
        raise ConfigIncomplete(f"A time series needs exactly one column of times beside its target; there is {found}.")
    return stamps[0]
