"""The trials of a run once more, in one plain process: Optuna's ask and tell, and the same fits.

Run as ``python -m tests.benchmarks.bare_trials job.json``; prints what it measured as JSON. ``search_overhead``
writes the job: path of the table, the plan's values, the cores of a fit, and the trials a run of the service tried.
"""

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from studio.automl.estimators import find_families
from studio.automl.fitting import Configuration, Fitter
from studio.automl.plan import Plan, Preprocessing, Validation
from studio.automl.problem import prepare_problem
from studio.automl.schedule import Schedule
from studio.automl.search import SAMPLER_STARTS
from studio.automl.spaces import FloatRange, IntRange
from studio.evaluation.metrics import direction_of


class BareSearch:
    """Tries given configurations as plainly as Optuna lets one."""

    def __init__(self, job):
        warnings.simplefilter("ignore")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.plan = plan_of(job["plan"])
        self.problem = prepare_problem(pd.read_parquet(job["table"]), self.plan)
        self.families = {family.name: family for family in find_families(self.plan.algorithm, self.plan.task)}
        self.schedule = Schedule(list(self.families.values()), self.plan, self.problem.metric)
        self.fitter = Fitter(self.problem, job["threads"])
        self.spaces = {
            name: {key: distribution(value) for key, value in self.schedule.space(family).items()}
            for name, family in self.families.items()
        }
        self.studies = {name: self.make_study() for name in self.families}

    def make_study(self):
        """A study in memory, with the sampler and the pruner of a run."""
        seed = self.plan.validation.random_state % 2**31
        pruner = optuna.pruners.MedianPruner(n_startup_trials=SAMPLER_STARTS, n_warmup_steps=0)
        return optuna.create_study(
            direction="maximize" if direction_of(self.problem.metric) == "max" else "minimize",
            sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=SAMPLER_STARTS, multivariate=True),
            pruner=pruner if self.plan.pruner == "median" else optuna.pruners.NopPruner(),
        )

    def run(self, trials):
        """State and score of each trial, and the seconds from the first ask to the last tell."""
        started = time.monotonic()
        outcomes = [self.try_one(trial["algorithm"], trial["params"]) for trial in trials]
        return {"seconds": time.monotonic() - started, "outcomes": outcomes}

    def try_one(self, name, params):
        """Ask, fit every fold, tell."""
        study, space = self.studies[name], self.spaces[name]
        study.enqueue_trial({key: params[key] for key in space})
        trial = study.ask(space)
        # Not the event's own values: early stopping has changed the number of rounds in those.
        chosen = self.schedule.complete(self.families[name], trial.params)
        try:
            score = self.score(Configuration(self.families[name], chosen), trial)
        except Exception as error:  # as in a run, a configuration that cannot be fitted fails its trial alone
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            return ["failed", str(error)]
        if score is None:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            return ["pruned", None]
        study.tell(trial, score)
        return ["complete", score]

    def score(self, configuration, trial):
        """The metric over all folds; None where the pruner gives the trial up."""
        problem = self.problem
        outputs = np.zeros((len(problem.y), problem.n_classes) if problem.n_classes else len(problem.y))
        for fold, (_, validation) in enumerate(problem.folds):
            outputs[validation] = self.fitter.fit_fold(configuration, fold, None).outputs
            if fold + 1 < len(problem.folds):
                rows = np.concatenate([seen for _, seen in problem.folds[: fold + 1]])
                trial.report(problem.score(outputs[rows], rows), fold + 1)
                if trial.should_prune():
                    return None
        return problem.score(outputs[problem.scored], problem.scored)


def plan_of(given):
    """The plan from its values in JSON."""
    parts = {"preprocessing": Preprocessing(**given["preprocessing"]), "validation": Validation(**given["validation"])}
    return Plan(**{**given, **parts, "features": tuple(given["features"])})


def distribution(wanted):
    """A range of a family as Optuna says it."""
    if isinstance(wanted, IntRange):
        return IntDistribution(wanted.low, wanted.high, log=wanted.log)
    if isinstance(wanted, FloatRange):
        return FloatDistribution(wanted.low, wanted.high, log=wanted.log)
    return CategoricalDistribution(wanted.options)


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text())
    print(json.dumps(BareSearch(given).run(given["trials"])))
