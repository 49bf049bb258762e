"""Makes the problem of a plan's task."""

import pandas as pd

from studio.automl.cluster_problem import prepare_clusters
from studio.automl.plan import Plan
from studio.automl.problem import Problem, prepare_problem
from studio.automl.series_problem import prepare_series


def prepare(frame: pd.DataFrame, plan: Plan) -> Problem:
    """A table and a plan made ready for trials.

    Raises:
        InvalidInput: The plan or the table cannot be trained on.
    """
    if plan.task == "time_series":
        return prepare_series(frame, plan)
    if plan.task == "clustering":
        return prepare_clusters(frame, plan)
    return prepare_problem(frame, plan)
