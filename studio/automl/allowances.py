"""How much of a search's time its end needs: repeats, final fits and the evaluation, by what the best trials took."""

from collections.abc import Mapping, Sequence

from studio.automl.assembly import MAX_TRAIN_ROWS
from studio.automl.estimators import EstimatorFamily
from studio.automl.problem import Problem
from studio.automl.shap_totals import shap_reserve_s
from studio.automl.trials import PastTrial

MAX_MEMBERS = 8  # of a blend
MAX_FITS = 40  # fitted models in a blend, as each costs time at every prediction
USUAL_MEMBERS = 5
REFITTED = 3  # final fits that time is kept for
HOPELESS = 2  # times what may be kept for final fits: what takes longer on one core is not waited for
REFIT_SHARE = 0.2  # of the budget that may be kept for final fits; where one takes more, its fold models will do
REPEAT_SHARE = 0.2  # of the budget that leading candidates may be repeated for
WEIGHING_SHARE, WEIGHING_S = 0.03, 3.0  # of the budget, and at most, for choosing the members
PREDICTING = 1.4  # times what the trials took to predict, shared by the cores: they wait for each other a little
EVALUATED_ROW_S = 3e-6  # seconds per row of the splits besides predicting it
USUAL_BUDGET_S = 60.0  # where there is no limit


class Allowances:
    """The end of one search in seconds, of which ``budget_s`` are there for all, None for no limit.

    Attributes:
        n_repeats: How often leading candidates may be fitted on folds drawn anew.
    """

    def __init__(
        self,
        problem: Problem,
        families: Mapping[str, EstimatorFamily],
        *,
        parallel: int,
        cores: int,
        budget_s: float | None,
    ) -> None:
        self._problem, self._families, self._parallel, self._cores = problem, families, parallel, cores
        self._budget_s = budget_s or USUAL_BUDGET_S
        self.n_repeats = len(problem.repeats) if problem.plan.ensemble else 0

    def is_bagged(self, family: str) -> bool:
        """Whether the fold models of a family's candidates are their final fit."""
        plan = self._problem.plan
        has_limits = plan.max_predict_latency_ms is not None or plan.max_model_mb is not None
        is_cross_validated = len(self._problem.folds) > 1 and not self._problem.is_rolling
        return self._families[family].is_bagged and is_cross_validated and plan.ensemble and not has_limits

    def least_s(self) -> float:
        """Seconds to keep whatever is known of the trials."""
        return min(2.0, 0.1 * self._budget_s)

    def finish_s(self, ranked: Sequence[PastTrial]) -> float:
        """Seconds to keep for the final fits and the evaluation.

        Args:
            ranked: Trials that may win, best first.
        """
        best = ranked[:USUAL_MEMBERS]
        if not best:
            return self.least_s()
        most = REFIT_SHARE * self._budget_s
        refitted = [past for past in best if not self.is_bagged(past.started.family)][:REFITTED]
        costs = [0.0, *(cost for past in refitted if (cost := 1.2 * self.refit_s(past)) <= HOPELESS * most)]
        refit = max(max(costs), sum(costs) / self._parallel)
        reserve = min(most, refit) + self.weighing_s() + self.evaluation_s(best)
        return max(self.least_s(), min(0.5 * self._budget_s, reserve))

    def repeats_s(self, ranked: Sequence[PastTrial]) -> float:
        """Seconds to keep for the repeats."""
        bagged = [past for past in ranked if self.is_bagged(past.started.family)][:USUAL_MEMBERS]
        wanted = sum(past.facts.duration_s for past in bagged) * self.n_repeats / self._parallel
        return min(REPEAT_SHARE * self._budget_s, 1.2 * wanted)

    def weighing_s(self) -> float:
        """Seconds to choose the members in."""
        return min(WEIGHING_S, WEIGHING_SHARE * self._budget_s)

    def refit_s(self, past: PastTrial) -> float:
        """Seconds a fit on all rows but the test rows should take."""
        n_train = sum(len(train) for train, _ in self._problem.folds) / len(self._problem.folds)
        return 1.1 * past.facts.fit_s * len(self._problem.split.development) / n_train

    def evaluation_s(self, members: Sequence[PastTrial]) -> float:
        """Seconds to predict, evaluate and explain with some members."""
        fits = sum(past.facts.predict_s * self._n_fits(past, len(members)) for past in members)
        per_row = fits / max(1, len(self._problem.scored))
        split = self._problem.split
        n_rows = min(len(split.train), MAX_TRAIN_ROWS) + len(split.test)
        predicting = PREDICTING * per_row * n_rows / self._cores
        evaluating = EVALUATED_ROW_S * (n_rows + len(split.validation))
        reserve = 0.5 + min(1.5, 0.02 * self._budget_s) + shap_reserve_s(self._problem, per_row)
        return reserve + predicting + evaluating

    def draws_in_blend(self, n_bagged: int) -> int:
        """Draws of the folds, the first included, whose models a blend of so many bagged candidates has room for."""
        room = MAX_FITS // max(1, n_bagged * len(self._problem.folds))
        return max(1, min(room, 1 + self.n_repeats))

    def _n_fits(self, past: PastTrial, n_members: int) -> int:
        """Fitted models of a candidate in a blend of so many."""
        if not self.is_bagged(past.started.family):
            return 1
        return len(self._problem.folds) * self.draws_in_blend(n_members)
