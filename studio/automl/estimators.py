"""What an estimator family is, which ones there are, and whether hyperparameters fit them.

A family is found through the entry points of the group ``studio.estimators``, the built-in ones too; each
names a class without constructor arguments.
"""

import abc
import functools
import importlib.metadata
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.utils._param_validation import InvalidParameterError, validate_parameter_constraints

from studio.automl.onnx_graph import OnnxGraph
from studio.automl.spaces import Limits, Space, bad_hyperparameter, check_limits, check_number_kinds, check_shape, shown
from studio.automl.targets import OPTIONS, split_options
from studio.errors import UnknownAlgorithm

ENTRY_POINTS = "studio.estimators"
# The search sets these itself: cores and seeds belong to the run, output would end in its log.
RESERVED = frozenset({"n_jobs", "verbose", "verbosity", "random_state", "warm_start", "callbacks", "device"})

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TrainingRows:
    """Encoded rows.

    Attributes:
        X: Of shape (n_rows, n_columns).
        y: Of shape (n_rows,): codes 0..n_classes-1, every one of which occurs, or numbers.
        weights: Of shape (n_rows,), None for equal ones.
    """

    X: FloatArray
    y: npt.NDArray[Any]
    weights: FloatArray | None = None


@dataclass(frozen=True)
class FitContext:
    """The circumstances of one fit.

    Attributes:
        threads: Cores to use, from 1.
        categorical: Columns that hold codes of a set.
        is_out_of_time: Asked between rounds; once true, the fit ends with what it has.
        seconds_left: How long until then, for fits that go in steps which cannot be cut short.
        validation: Rows to stop early on, None where the number of rounds is settled.
        pinned: Hyperparameters that came from the user, to be left as they are.
    """

    task: str
    metric: str
    n_classes: int
    threads: int
    random_state: int
    categorical: Sequence[int] = ()
    is_out_of_time: Callable[[], bool] = lambda: False
    seconds_left: Callable[[], float] = lambda: math.inf
    validation: TrainingRows | None = None
    pinned: frozenset[str] = frozenset()

    @property
    def is_absolute(self) -> bool:
        """Whether the metric counts errors by their size, not their square."""
        return self.task == "regression" and self.metric in ("mae", "mape", "smape", "mase")


class EstimatorFamily(abc.ABC):
    """One kind of estimator the search may use. An instance holds no state: it is shared by all trials.

    Attributes:
        name: Unique, snake_case; what a configuration calls ``algorithm``.
        tasks: Task types it serves.
        cost: Rank of its usual fitting time; cheap families are tried first.
        second_cost: Rank at which its second configuration is tried between the other families' first ones; None
            leaves it to how good the first one was.
        categories: Encoding of category columns it likes best: ``native`` (codes; see
            ``FitContext.categorical``), ``ordinal``, ``onehot`` or ``target``.
        accepts_missing: Whether ``fit`` and ``predict`` take NaN.
        scale: Whether it gains by scaled columns.
        max_categories: Values per category column it can tell apart.
        is_bagged: Whether the mean of its fold models is worth more than one fit on all rows, as where fits end
            early by rows that were held out.
        is_baseline: Whether it learns nothing: it stands in every comparison of its task, and can win none where
            another algorithm was asked for.
        kept_back: Parameters of its class that the run sets, or that only a run could set right, as those which
            count the columns of the encoded table.
    """

    name: ClassVar[str]
    tasks: ClassVar[frozenset[str]]
    cost: ClassVar[int] = 50
    second_cost: ClassVar[int | None] = None
    categories: ClassVar[str] = "ordinal"
    accepts_missing: ClassVar[bool] = False
    scale: ClassVar[bool] = False
    max_categories: ClassVar[int] = 1000
    is_bagged: ClassVar[bool] = False
    is_baseline: ClassVar[bool] = False
    kept_back: ClassVar[frozenset[str]] = frozenset()

    @abc.abstractmethod
    def space(self, task: str) -> Space:
        """What the sampler may vary."""

    @abc.abstractmethod
    def default(self, task: str) -> Mapping[str, Any]:
        """The first configuration to try; holds every name of the space, and may hold constants besides."""

    def first_tries(self, task: str, *, is_small: bool) -> Sequence[Mapping[str, Any]]:
        """Configurations to begin with, best first; each changes some of the default, or nothing.

        Args:
            is_small: Whether the table has few enough rows to be cross-validated.
        """
        return ({},)

    def portfolio(self, task: str) -> Sequence[Mapping[str, Any]]:
        """Configurations that proved strong elsewhere, best first; each changes some of the default."""
        return ()

    def limits(self, task: str) -> Limits:
        """What a user may set a hyperparameter to, which is more than is searched.

        Needed for those that the class's ``_parameter_constraints`` do not tell of, or not rightly: a value within
        them must not fail in ``fit``, whatever the rows.
        """
        return {}

    @abc.abstractmethod
    def estimator_class(self, task: str) -> type:
        """The class that is fitted; its parameters are those a user may set."""

    @abc.abstractmethod
    def fit(self, params: Mapping[str, Any], rows: TrainingRows, context: FitContext) -> Any:
        """Fit one estimator.

        The same arguments and seed give the same estimator where ``is_out_of_time`` stays false.

        Returns:
            A picklable estimator with ``predict`` and, for classification, ``predict_proba`` with one column
            per class; both take a float matrix and run on one core.
        """

    def learned(self, params: Mapping[str, Any], estimator: Any) -> Mapping[str, float]:
        """Hyperparameters that early stopping settled; a fit on all rows takes their mean over the folds."""
        return {}

    def importances(self, estimator: Any) -> Mapping[str, FloatArray]:
        """Weight of each matrix column by method (``gain``, ``split``), empty where there is none."""
        return {}

    def add_to_onnx(self, estimator: Any, graph: OnnxGraph, matrix: str) -> str | None:
        """Write an estimator into an ONNX graph; asked for those that are of no class the export knows itself.

        What is written counts only after its outputs were compared with the estimator's on the validation rows.

        Args:
            estimator: As ``fit`` gave it, or as another family's did.
            graph: Takes its nodes and constants.
            matrix: Name of the encoded rows, of shape (n_rows, n_columns), in double precision.

        Returns:
            Name of its outputs in double precision, of shape (n_rows, n_classes) or (n_rows, 1); None where it has no
            ONNX form, or is not of this family.
        """
        return None

    def check(self, params: Mapping[str, Any], task: str) -> None:
        """Refuse hyperparameters the family does not take.

        Raises:
            BadHyperparameter: With a pointer to the first bad one.
        """
        names = self.parameter_names(task)
        estimator = self.estimator_class(task)()
        own = estimator.get_params() if hasattr(estimator, "get_params") else {}  # a plugin's class may be any
        defaults = {**own, **self.default(task)}
        for name in params:
            if name not in names:
                is_known = name in RESERVED | self.kept_back | set(defaults)
                reason = "it is up to the run" if is_known else "there is no such hyperparameter"
                raise bad_hyperparameter(self.name, name, reason)
        limits = self.limits(task)
        check_limits(self.name, limits, params)
        given = {name: value for name, value in params.items() if name not in limits}
        constraints = getattr(self.estimator_class(task), "_parameter_constraints", {})
        check_number_kinds(
            self.name, self.space(task), {n: v for n, v in given.items() if n not in constraints or isinstance(v, bool)}
        )
        check_shape(self.name, defaults, {n: v for n, v in given.items() if n not in constraints})
        for name, value in given.items():
            if isinstance(value, bool) and name in constraints and "boolean" not in constraints[name]:
                raise bad_hyperparameter(self.name, name, f"it takes no boolean, but {shown(value)} was given")
            try:
                validate_parameter_constraints(constraints, {name: value}, self.name)
            except InvalidParameterError as error:
                raise bad_hyperparameter(self.name, name, str(error).rstrip(".")) from error

    def parameter_names(self, task: str) -> frozenset[str]:
        """Names a user may set."""
        own = {*self.estimator_class(task)().get_params(), *self.space(task), *self.default(task), *self.limits(task)}
        return frozenset(own) - RESERVED - self.kept_back


@functools.cache
def installed_families() -> Mapping[str, EstimatorFamily]:
    """Every family by name, the core's and the plugins', cheapest first."""
    found: list[EstimatorFamily] = []
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
        found.append(entry.load()())
    return {family.name: family for family in sorted(found, key=lambda family: (family.cost, family.name))}


def known_algorithms(task: str) -> list[str]:
    """What ``algorithm`` may be for a task type, ``auto`` first."""
    return ["auto", *(name for name, family in installed_families().items() if _serves(family, task))]


def _serves(family: EstimatorFamily, task: str) -> bool:
    return task in family.tasks or learned_as(task) in family.tasks


def learned_as(task: str) -> str:
    """The task that families are fitted for: series are told to them as a regression."""
    return "regression" if task == "time_series" else task


def find_families(algorithm: str, task: str) -> list[EstimatorFamily]:
    """The families a search goes through, cheapest first, the task's baselines among them.

    Raises:
        UnknownAlgorithm: There is no such family, or it does not serve the task.
    """
    known = known_algorithms(task)
    if algorithm not in known:
        raise UnknownAlgorithm(
            f"There is no algorithm {algorithm!r} for {task}; known are {', '.join(known)}.", known=known
        )
    every = [installed_families()[name] for name in known[1:]]
    return [family for family in every if algorithm in ("auto", family.name) or family.is_baseline]


def check_hyperparameters(algorithm: str, params: Mapping[str, Any], task: str) -> None:
    """Refuse hyperparameters that the algorithm, or for ``auto`` every family, does not take.

    Raises:
        BadHyperparameter: With a pointer ``/config/hyperparameters/<name>``.
        UnknownAlgorithm: There is no such algorithm for the task.
    """
    families = find_families(algorithm, task)
    if task == "regression":
        params, options = split_options(params)
        _check_options(algorithm, options)
    task = learned_as(task)
    if algorithm != "auto":
        installed_families()[algorithm].check(params, task)
        return
    taken = {family.name: params.keys() & family.parameter_names(task) for family in families}
    for name in params:
        if not any(name in names for names in taken.values()):
            raise bad_hyperparameter("auto", name, "no algorithm has such a hyperparameter")
    for family in families:
        family.check({name: params[name] for name in params if name in taken[family.name]}, task)


def _check_options(algorithm: str, options: Mapping[str, Any]) -> None:
    for name, value in options.items():
        wanted = OPTIONS[name]
        if not wanted.holds(value):
            raise bad_hyperparameter(algorithm, name, f"it must be {wanted.in_words()}")
