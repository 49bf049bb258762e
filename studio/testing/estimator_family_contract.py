"""What every estimator family keeps to, the core's and a plugin's: bind ``family`` and run it with pytest."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from studio.automl.estimators import RESERVED, EstimatorFamily, FitContext, TrainingRows, learned_as
from studio.errors import BadHyperparameter
from studio.exports.onnx.estimators import add_estimator
from studio.exports.onnx.graph import DOUBLE, CannotConvert, Graph
from studio.exports.onnx.parity import TOLERANCE

N_ROWS = 50
ROUNDS = frozenset({"n_estimators", "max_iter", "iterations", "n_init"})
# Of every kind that JSON has, on both sides of the usual ends; NaN is what some clients send all the same.
VALUES: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 2, 3, -0.5, 0.0, 0.5, 1.0, 1.5, float("nan"), float("inf"), "", "text", "1", [], [1],
    [5, 5], ["a"], [[1]], {}, {"a": 1}, {"0": 2},
)  # fmt: skip


class EstimatorFamilyContract:
    """Subclass it as ``Test...`` and override ``family``."""

    @pytest.fixture
    def family(self) -> EstimatorFamily:
        """The family under test."""
        raise NotImplementedError("return an instance of the family")

    @pytest.fixture(params=["classification", "multiclass", "regression"])
    def case(self, request: pytest.FixtureRequest, family: EstimatorFamily) -> tuple[TrainingRows, FitContext]:
        """Rows and circumstances of each task the family serves; a family passes over the tasks it does not."""
        task = "regression" if request.param == "regression" else "classification"
        if task not in family.tasks:
            task = next(iter(family.tasks))
        is_number = task != "classification"
        n_classes = 0 if is_number else 3 if request.param == "multiclass" else 2
        return make_rows(n_classes), FitContext(
            task=learned_as(task),
            metric="rmse" if is_number else "log_loss",
            n_classes=n_classes,
            threads=1,
            random_state=7,
        )

    def test_the_default_fits_and_predicts(
        self, family: EstimatorFamily, case: tuple[TrainingRows, FitContext]
    ) -> None:
        rows, context = case
        estimator = fit(family, rows, context)
        predicted = outputs(estimator, rows, context)
        assert predicted.shape == ((N_ROWS, context.n_classes) if context.n_classes else (N_ROWS,))
        assert np.isfinite(predicted).all()

    def test_the_same_seed_gives_the_same_outputs(
        self, family: EstimatorFamily, case: tuple[TrainingRows, FitContext]
    ) -> None:
        rows, context = case
        first, second = (outputs(fit(family, rows, context), rows, context) for _ in range(2))
        np.testing.assert_array_equal(first, second)

    def test_an_estimator_survives_pickling(
        self, family: EstimatorFamily, case: tuple[TrainingRows, FitContext]
    ) -> None:
        rows, context = case
        estimator = fit(family, rows, context)
        again = pickle.loads(pickle.dumps(estimator))  # noqa: S301 - of this test
        np.testing.assert_allclose(outputs(again, rows, context), outputs(estimator, rows, context))

    def test_gaps_are_refused_unless_accepted(
        self, family: EstimatorFamily, case: tuple[TrainingRows, FitContext]
    ) -> None:
        rows, context = case
        gappy = rows.X.copy()
        gappy[::5, 0] = np.nan
        with_gaps = TrainingRows(gappy, rows.y)
        if family.accepts_missing:
            assert np.isfinite(outputs(fit(family, with_gaps, context), with_gaps, context)).all()
        else:
            with pytest.raises(ValueError, match="NaN"):
                fit(family, with_gaps, context)

    def test_early_stopping_is_told(self, family: EstimatorFamily, case: tuple[TrainingRows, FitContext]) -> None:
        rows, context = case
        params = dict(family.default(context.task))
        watched = FitContext(**{**vars(context), "validation": rows})
        learned = family.learned(params, fit(family, rows, watched))
        assert set(learned) <= set(params)
        refitted = family.fit({**params, **learned}, rows, context)
        assert np.isfinite(outputs(refitted, rows, context)).all()

    def test_a_fit_ends_when_the_time_is_over(
        self, family: EstimatorFamily, case: tuple[TrainingRows, FitContext]
    ) -> None:
        rows, context = case
        hasty = FitContext(**{**vars(context), "is_out_of_time": lambda: True})
        assert np.isfinite(outputs(fit(family, rows, hasty), rows, context)).all()

    def test_importances_cover_every_column(
        self, family: EstimatorFamily, case: tuple[TrainingRows, FitContext]
    ) -> None:
        rows, context = case
        found = family.importances(fit(family, rows, context))
        assert set(found) <= {"gain", "split"}
        for values in found.values():
            assert values.shape == (rows.X.shape[1],)
            assert (values >= 0).all()

    def test_the_onnx_form_answers_the_same(
        self, family: EstimatorFamily, case: tuple[TrainingRows, FitContext], tmp_path: Path
    ) -> None:
        rows, context = case
        estimator = fit(family, rows, context)
        try:
            found = outputs_of_onnx(estimator, rows, tmp_path / "model.onnx")
        except CannotConvert as error:
            pytest.skip(f"no ONNX form: {error}")
        wanted = outputs(estimator, rows, context).reshape(N_ROWS, -1)
        np.testing.assert_allclose(found, wanted, atol=TOLERANCE * np.abs(wanted).max())

    def test_the_space_holds_the_default_and_the_portfolio(self, family: EstimatorFamily) -> None:
        for task in family.tasks:
            space, default = family.space(task), family.default(task)
            assert set(space) <= set(default)
            for changes in ({}, *family.portfolio(task)):
                assert set(changes) <= set(default)
                configuration = {**default, **changes}
                assert [n for n, wanted in space.items() if not wanted.holds(configuration[n])] == []

    def test_hyperparameters_are_checked(self, family: EstimatorFamily) -> None:
        for task in family.tasks:
            family.check(family.default(task), task)
            assert not family.parameter_names(task) & RESERVED
            with pytest.raises(BadHyperparameter) as caught:
                family.check({"no/such": 1}, task)
            assert caught.value.fields[0][0] == "/config/hyperparameters/no~1such"

    def test_what_the_check_lets_through_can_be_fitted(
        self, family: EstimatorFamily, case: tuple[TrainingRows, FitContext]
    ) -> None:
        rows, context = case
        if not context.n_classes:
            rows = TrainingRows(rows.X, rows.y - rows.y.min() + 1)  # for losses of numbers above 0
        hasty = FitContext(**{**vars(context), "is_out_of_time": lambda: True})
        [task] = {task for task in family.tasks if learned_as(task) == context.task}
        faults = []
        for name in sorted(family.parameter_names(task)):
            for value in candidates_for(family, task, name):
                try:
                    family.check({name: value}, task)
                except BadHyperparameter:
                    continue
                params = {**family.default(task), **dict.fromkeys(ROUNDS & set(family.default(task)), 2), name: value}
                try:
                    with threadpool_limits(1):
                        family.fit(params, rows, hasty)
                except Exception as error:
                    faults.append(f"{name}: {value!r} is let through: {error}")
        assert not faults, "\n".join(faults)


def candidates_for(family: EstimatorFamily, task: str, name: str) -> list[Any]:
    """Values to try for a hyperparameter: some of every kind, and the words its limits name."""
    named: set[str] = set()
    known = [*getattr(family.estimator_class(task), "_parameter_constraints", {}).get(name, ())]
    for source in (*known, family.limits(task).get(name), family.space(task).get(name)):
        for option in getattr(source, "options", None) or ():
            named |= {option} if isinstance(option, str) else set()
    return [*VALUES, *sorted(named)]


def make_rows(n_classes: int) -> TrainingRows:
    """Fifty rows of four columns, the first of which tells the target."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(N_ROWS, 4))
    if not n_classes:
        return TrainingRows(X, X[:, 0] * 3 + rng.normal(size=N_ROWS) * 0.1)
    y = np.argsort(np.argsort(X[:, 0])) * n_classes // N_ROWS
    return TrainingRows(X, y.astype(np.int64))


def fit(family: EstimatorFamily, rows: TrainingRows, context: FitContext) -> Any:
    """Fit the default on one core, as more would break processes forked later."""
    with threadpool_limits(1):
        return family.fit(family.default(context.task), rows, context)


def outputs_of_onnx(estimator: Any, rows: TrainingRows, path: Path) -> npt.NDArray[np.float64]:
    """What the estimator's ONNX form answers for the rows, of shape (n_rows, n_outputs). Raises CannotConvert."""
    names = [f"x{column}" for column in range(rows.X.shape[1])]
    graph = Graph(names)
    matrix = graph.op("Concat", *(graph.input(name, DOUBLE) for name in names), axis=1)
    graph.output("outputs", add_estimator(graph, matrix, estimator, [0] * len(names)), DOUBLE, "n_outputs")
    path.write_bytes(graph.model().SerializeToString())
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    [found] = session.run(None, {name: rows.X[:, [column]] for column, name in enumerate(names)})
    return np.asarray(found)


def outputs(estimator: Any, rows: TrainingRows, context: FitContext) -> npt.NDArray[np.float64]:
    """Probabilities or numbers for the rows."""
    with threadpool_limits(1):
        found = estimator.predict_proba(rows.X) if context.n_classes else estimator.predict(rows.X)
    return np.asarray(found, dtype=np.float64)
