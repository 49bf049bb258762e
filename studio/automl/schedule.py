"""Which configuration comes next: what each family begins with, then the portfolios, then the sampler on the best
families.

Decides by scores and the trial's number alone where there is no time budget, so that a run can be repeated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from studio.automl.estimators import EstimatorFamily
from studio.automl.plan import Plan
from studio.automl.spaces import Choice, Space
from studio.automl.targets import OPTIONS
from studio.evaluation.metrics import is_better

LEADERS = 3  # families the sampler works on
HOPEFUL = 5  # families by score that another trial may still help
UNTRIED_SHARE = 0.2  # of the time for trials that must be left for a family that was not tried; most end in time
SECOND_SHARE = 0.2  # of the time for trials that a family's second one may take before all others had their first
CUT_SHARE = 0.6  # of its usual time in which a trial still ends with something of use
PORTFOLIO_SHARE = 0.6  # of the time, or of the trials, after which the sampler takes over


@dataclass(frozen=True)
class Proposal:
    """What to try next.

    Attributes:
        origin: ``portfolio:<n>`` or ``sampler``; a portfolio entry is tried once per search, over restarts
            too.
        params: Values of the searched names; None leaves them to the sampler.
    """

    family: EstimatorFamily
    origin: str
    params: Mapping[str, Any] | None


@dataclass
class _Record:
    best: float | None = None
    n_complete: int = 0
    n_failed: int = 0
    seconds: list[float] = field(default_factory=list)
    has_sampled: bool = False


class Schedule:
    """Chooses families and configurations of one search.

    Args:
        families: Cheapest first.
        plan: Its hyperparameters leave the spaces.
        options: What may be varied of every family's fits besides.
        is_small: Whether the table is cross-validated.
    """

    def __init__(
        self,
        families: Sequence[EstimatorFamily],
        plan: Plan,
        metric: str,
        options: Mapping[str, Choice] | None = None,
        *,
        is_small: bool = False,
    ) -> None:
        self._plan = plan
        self._is_small = is_small
        self._options = options or {}
        self._metric = metric
        self._families = {family.name: family for family in families}
        self._records = {family.name: _Record() for family in families}
        self._queues = {family.name: self._portfolio(family) for family in families}
        seconds = [(family.second_cost, 1, family.name) for family in families if family.second_cost is not None]
        firsts = [(family.cost, 0, family.name) for family in families]
        self._firsts = sorted([*firsts, *seconds])
        self._total_s = 0.0

    def pinned(self, family: EstimatorFamily) -> dict[str, Any]:
        """The user's hyperparameters that the family takes."""
        names = family.parameter_names(self._plan.task) | set(OPTIONS)
        return {name: value for name, value in self._plan.hyperparameters.items() if name in names}

    def space(self, family: EstimatorFamily) -> Space:
        """What the sampler may vary in a family."""
        pinned = self.pinned(family)
        whole = {**family.space(self._plan.task), **self._options}
        return {name: r for name, r in whole.items() if name not in pinned}

    def complete(self, family: EstimatorFamily, params: Mapping[str, Any]) -> dict[str, Any]:
        """A configuration with the default's constants and the user's values."""
        options = {name: choice.options[0] for name, choice in self._options.items()}
        return {**family.default(self._plan.task), **options, **params, **self.pinned(family)}

    def note_origin(self, name: str, origin: str) -> None:
        """A proposal was taken up, in this process or before a restart."""
        kind, _, index = origin.partition(":")
        if kind == "portfolio":
            self._queues[name] = [entry for entry in self._queues[name] if entry[0] != int(index)]
        else:
            self._records[name].has_sampled = True

    def note_result(self, name: str, score: float | None, seconds: float, *, has_failed: bool) -> None:
        """A trial has ended."""
        record = self._records[name]
        record.seconds.append(seconds)
        record.n_failed += has_failed
        record.n_complete += score is not None
        if is_better(self._metric, score, record.best):
            record.best = score

    def next(self, number: int, *, share_used: float, remaining_s: float | None) -> Proposal | None:
        """The next proposal, or None where there is nothing left to try.

        Args:
            number: Of the trial, from 0.
            share_used: How much of the budget, in time or trials, is used.
            remaining_s: Seconds left for trials, None without a time budget.
        """
        self._total_s = max(self._total_s, remaining_s or 0.0)
        for _, index, name in self._firsts:
            queue = self._queues[name]
            if queue and queue[0][0] == index and self._is_early(name, index, remaining_s):
                return self._from_portfolio(name, remaining_s)
        ranked = self._by_rank()
        affordable = [name for name in ranked if self._is_affordable(name, remaining_s)]
        if not set(affordable) & set(ranked[:HOPEFUL]):
            return None  # what would still fit in has shown that it does not help
        queued = [name for name in affordable if self._queues[name]]
        tunable = [name for name in affordable[:LEADERS] if self.space(self._families[name])]
        if queued and (share_used < PORTFOLIO_SHARE or not tunable):
            # Good families get ahead in their portfolio, the others follow.
            ranks = {name: rank for rank, name in enumerate(affordable)}
            best = min(queued, key=lambda name: self._queues[name][0][0] + ranks[name])
            return self._from_portfolio(best, remaining_s)
        if not tunable:
            return None
        return Proposal(self._families[self._draw(tunable, number)], "sampler", None)

    def _from_portfolio(self, name: str, remaining_s: float | None) -> Proposal:
        index, params = self._queues[name][0]
        if index and "learning_rate" in params:
            wanted = self.space(self._families[name])["learning_rate"]
            rate = params["learning_rate"] * self._haste(name, remaining_s)
            params = {**params, "learning_rate": min(rate, getattr(wanted, "high", rate))}
        return Proposal(self._families[name], f"portfolio:{index}", params)

    def _haste(self, name: str, remaining_s: float | None) -> float:
        """Factor on learning rates, as boosting in small steps that is cut off is worse than in large ones."""
        usual = self.usual_s(name)
        if not usual or remaining_s is None:
            return 1.0
        n_trials = remaining_s / usual
        return 1.0 if n_trials > 20 else 2.0 if n_trials > 8 else 3.0

    def has_untried(self) -> bool:
        """Whether the first configuration of some family was not taken up."""
        return any(queue and queue[0][0] == 0 for queue in self._queues.values())

    def usual_s(self, name: str) -> float:
        """Seconds a trial of the family takes, 0 where none has ended."""
        seconds = self._records[name].seconds
        return float(np.median(seconds)) if seconds else 0.0

    def _by_rank(self) -> list[str]:
        """Families that may still help, best score first."""
        alive = [name for name, r in self._records.items() if r.n_complete or r.n_failed < 2]
        sign = -1.0 if is_better(self._metric, 1.0, 0.0) else 1.0
        scores = {name: self._records[name].best for name in alive}
        return sorted(alive, key=lambda n: (scores[n] is None, sign * (scores[n] or 0.0)))

    def _is_affordable(self, name: str, remaining_s: float | None) -> bool:
        """Whether a trial should end in time with something of use; what was not tried, nobody knows."""
        if remaining_s is None:
            return True
        usual = self.usual_s(name)
        return CUT_SHARE * usual < remaining_s if usual else remaining_s > UNTRIED_SHARE * self._total_s

    def _is_early(self, name: str, index: int, remaining_s: float | None) -> bool:
        """Whether one of a family's first tries comes before what scores say."""
        if index and remaining_s is not None and self.usual_s(name) > SECOND_SHARE * remaining_s:
            return False
        return self._is_affordable(name, remaining_s)

    def _draw(self, names: Sequence[str], number: int) -> str:
        """Better families more often: weights 1, 1/2.8, 1/5.2, ... by rank."""
        weights = (np.arange(len(names)) + 1.0) ** -1.5
        rng = np.random.default_rng([self._plan.validation.random_state, number])
        return str(rng.choice(np.array(names), p=weights / weights.sum()))

    def _portfolio(self, family: EstimatorFamily) -> list[tuple[int, dict[str, Any]]]:
        """Distinct configurations of the family's space, its first tries first; the options take turns."""
        space = self.space(family)
        default = self.complete(family, {})
        entries: list[dict[str, Any]] = []
        first, *others = family.first_tries(self._plan.task, is_small=self._is_small)
        changed = [*others, *family.portfolio(self._plan.task)]
        for turn, changes in enumerate([first] * self._n_turns() + changed):
            options = {name: choice.options[turn % len(choice.options)] for name, choice in self._options.items()}
            whole = {**default, **options, **changes}
            params = {name: value for name, value in whole.items() if name in space}
            if params not in entries:
                entries.append(params)
        return list(enumerate(entries))

    def _n_turns(self) -> int:
        return max((len(choice.options) for choice in self._options.values()), default=1)
