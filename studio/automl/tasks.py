"""What the search's processes do: try a configuration, repeat or refit a chosen one, assemble the final model."""

import pickle
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from studio.automl.assembly import Part, blend_parts, evaluate_blend
from studio.automl.calibration import Calibration
from studio.automl.fitting import Configuration, Fitter
from studio.automl.footprint import MB, measure_footprint, measure_latency_ms
from studio.automl.member_files import MemberFile, write_whole
from studio.automl.pipeline import build_pipeline
from studio.automl.problem import Problem
from studio.automl.result import Footprint
from studio.automl.shap_totals import ShapTotals, add_up_shap
from studio.automl.workers import Line, Serve
from studio.evaluation.metrics import is_better

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TrialTask:
    """Fit a configuration on every fold.

    Attributes:
        soft_deadline: Monotonic time by which the fits should stop growing, None for never.
        is_prunable: Whether to ask after each fold if the trial may go on.
        bar: Score from which on the fold models are worth keeping, None for any.
    """

    number: int
    configuration: Configuration
    soft_deadline: float | None
    is_prunable: bool
    bar: float | None


@dataclass(frozen=True)
class FoldReport:
    """Score of a trial's first ``n_folds`` folds together."""

    number: int
    n_folds: int
    score: float


@dataclass(frozen=True)
class TrialOutcome:
    """A trial that ended by itself.

    Attributes:
        score: None where it was pruned.
        learned: Hyperparameters that early stopping settled.
        fit_s: Mean seconds to fit one fold.
        predict_s: Seconds to predict all validation rows.
        fold_scores: Of the folds that were fitted; None where the metric is undefined.
        footprint: Of the last fold's model; nothing where it was pruned.
    """

    number: int
    score: float | None
    learned: Mapping[str, Any]
    fit_s: float
    predict_s: float
    fold_scores: tuple[float | None, ...]
    footprint: Footprint


@dataclass(frozen=True)
class RepeatTask:
    """Fit a configuration on the folds of one of the problem's repeats and keep models and outputs.

    Attributes:
        draw: Which repeat, from 1.
        soft_deadline: Monotonic time by which the fits should stop growing, None for never.
    """

    number: int
    configuration: Configuration
    draw: int
    soft_deadline: float | None


@dataclass(frozen=True)
class RefitTask:
    """Fit a configuration on all rows but the test rows and keep the member.

    Attributes:
        threads: Cores for it.
    """

    number: int
    configuration: Configuration
    threads: int


@dataclass(frozen=True)
class AssembleTask:
    """Build and evaluate the final model.

    Attributes:
        soft_deadline: Monotonic time after which it should leave out what it can, None for never.
        threads: Cores for it.
    """

    parts: Sequence[Part]
    calibration: Calibration
    soft_deadline: float | None
    threads: int


@dataclass(frozen=True)
class ExplainTask:
    """Add up the SHAP values of every ``n_parts``-th row until a monotonic time, None for no such time."""

    part: int
    n_parts: int
    until: float | None


def outputs_path(folder: Path, number: int, draw: int = 0) -> Path:
    """A trial's outputs for the scored rows, of the problem's folds or of one of their repeats."""
    return folder / f"outputs-{number}{_draw_suffix(draw)}.npy"


def models_path(folder: Path, number: int, draw: int = 0) -> Path:
    """A trial's fold models."""
    return folder / f"models-{number}{_draw_suffix(draw)}.pkl"


def _draw_suffix(draw: int) -> str:
    return f"-{draw}" if draw else ""


def refit_path(folder: Path, number: int) -> Path:
    """A chosen configuration's member, fitted on all rows but the test rows."""
    return folder / f"refit-{number}.pkl"


def final_path(folder: Path) -> Path:
    """The assembled model with its evaluation."""
    return folder / "final.pkl"


def make_server(problem: Problem, folder: Path, threads: int) -> Callable[[], Serve]:
    """What a fresh process calls before it serves tasks of one search.

    Args:
        folder: Where results go.
        threads: Cores of one process.
    """

    def make_serve() -> Serve:
        return _Server(problem, folder, threads)

    return make_serve


@dataclass(frozen=True)
class _FoldFacts:
    """What is kept of a fold's fit besides its outputs and model, as in ``FoldFit``."""

    fit_s: float
    predict_s: float
    learned: Mapping[str, float]
    score: float | None


class _Server:
    def __init__(self, problem: Problem, folder: Path, threads: int) -> None:
        self.problem = problem
        self.folder = folder
        self.fitter = Fitter(problem, threads)

    def __call__(self, task: Any, line: Line) -> Any:
        if isinstance(task, TrialTask):
            return self._try(task, line)
        if isinstance(task, RepeatTask):
            return self._repeat(task)
        if isinstance(task, RefitTask):
            return self._refit(task)
        if isinstance(task, ExplainTask):
            return self._explain(task)
        return self._assemble(task)

    def _try(self, task: TrialTask, line: Line) -> TrialOutcome:
        problem = self.problem
        outputs = self._no_outputs()
        fits: list[_FoldFacts] = []
        with MemberFile(models_path(self.folder, task.number)) as models:
            for fold, (_, validation) in enumerate(problem.folds):
                started = time.monotonic()
                fit = self.fitter.fit_fold(task.configuration, fold, self._fold_deadline(task.soft_deadline, fold))
                fit_s = time.monotonic() - started
                outputs[validation] = _finite(fit.outputs)
                own = problem.score(outputs[validation], validation)
                fits.append(_FoldFacts(fit_s, fit.predict_s, fit.learned, own))
                size_bytes = models.add(fit.member)
                if fold + 1 < len(problem.folds) and self._is_pruned(task, fold + 1, outputs, line):
                    return self._outcome(task, None, fits, Footprint())
            scored = problem.scored
            score = problem.score(outputs[scored], scored)
            if score is None:
                raise ValueError(f"{problem.metric} is not defined for its predictions")
            write_whole(outputs_path(self.folder, task.number), lambda file: np.save(file, outputs[scored]))
            if is_better(problem.metric, score, task.bar):
                models.keep()
        pipeline = build_pipeline(problem.reader, [fit.member], [1.0], problem.classes)
        footprint = Footprint(measure_latency_ms(problem, pipeline), size_bytes / MB)
        return self._outcome(task, score, fits, footprint)

    def _repeat(self, task: RepeatTask) -> int:
        problem, draw = self.problem, task.draw
        outputs = self._no_outputs()
        with MemberFile(models_path(self.folder, task.number, draw)) as models:
            for fold, (_, validation) in enumerate(problem.repeats[draw - 1]):
                deadline = self._fold_deadline(task.soft_deadline, fold)
                fit = self.fitter.fit_fold(task.configuration, fold, deadline, draw)
                outputs[validation] = _finite(fit.outputs)
                models.add(fit.member)
            models.keep()
        kept = outputs_path(self.folder, task.number, draw)
        write_whole(kept, lambda file: np.save(file, outputs[problem.scored]))
        return task.number

    def _no_outputs(self) -> FloatArray:
        problem = self.problem
        return np.zeros((len(problem.y), problem.n_classes) if problem.n_classes else len(problem.y))

    def _fold_deadline(self, soft_deadline: float | None, fold: int) -> float | None:
        if soft_deadline is None:
            return None
        now = time.monotonic()
        return now + (soft_deadline - now) / (len(self.problem.folds) - fold)

    def _is_pruned(self, task: TrialTask, n_folds: int, outputs: FloatArray, line: Line) -> bool:
        if not task.is_prunable:
            return False
        rows = np.concatenate([validation for _, validation in self.problem.folds[:n_folds]])
        score = self.problem.score(outputs[rows], rows)
        return score is not None and not line.ask(FoldReport(task.number, n_folds, score))

    def _outcome(
        self, task: TrialTask, score: float | None, fits: Sequence[_FoldFacts], footprint: Footprint
    ) -> TrialOutcome:
        return TrialOutcome(
            number=task.number,
            score=score,
            learned=_mean_learned([fit.learned for fit in fits], task.configuration),
            fit_s=sum(fit.fit_s for fit in fits) / len(fits),
            predict_s=sum(fit.predict_s for fit in fits),
            fold_scores=tuple(fit.score for fit in fits),
            footprint=footprint,
        )

    def _refit(self, task: RefitTask) -> int:
        fitter = Fitter(self.problem, task.threads)
        member = fitter.fit_rows(task.configuration, self.problem.split.development, None)
        with MemberFile(refit_path(self.folder, task.number)) as models:
            models.add(member)
            models.keep()
        return task.number

    def _assemble(self, task: AssembleTask) -> Footprint:
        """The final model's footprint; it is evaluated and written where it keeps the plan's limits alone."""
        blended = blend_parts(self.problem, task.parts, task.calibration)
        footprint = measure_footprint(self.problem, blended.estimator)
        if not footprint.broken_limit(self.problem.plan):
            final = evaluate_blend(
                self.problem, blended, task.parts, task.calibration, task.soft_deadline, threads=task.threads
            )
            write_whole(final_path(self.folder), lambda file: pickle.dump(final, file, protocol=5))
        return footprint

    def _explain(self, task: ExplainTask) -> ShapTotals:
        with open(final_path(self.folder), "rb") as file:
            final = pickle.load(file)  # noqa: S301 - written by this search a moment ago
        blend = final.estimator.named_steps["model"]
        return add_up_shap(self.problem, blend, part=task.part, n_parts=task.n_parts, until=task.until)


def _finite(outputs: FloatArray) -> FloatArray:
    if not np.isfinite(outputs).all():
        raise ValueError("its predictions are not finite")
    return outputs


def _mean_learned(found: Sequence[Mapping[str, float]], configuration: Configuration) -> dict[str, Any]:
    """Mean over the folds, whole where the hyperparameter is; the user's own values stay."""
    names = {name for fold in found for name in fold} - configuration.pinned
    values = {name: [fold[name] for fold in found if name in fold] for name in sorted(names)}
    return {
        name: float(np.mean(all_)) if isinstance(all_[0], float) else max(1, round(float(np.mean(all_))))
        for name, all_ in values.items()
    }
