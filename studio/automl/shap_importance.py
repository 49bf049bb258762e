"""SHAP importance of a search's final model: asks every process for a part, and says why where there is none."""

import time

import numpy as np

from studio.automl.campaign import Campaign
from studio.automl.problem import Problem
from studio.automl.result import ShapImportance
from studio.automl.shap_totals import ENOUGH_ROWS, MAX_ROWS, ShapTotals
from studio.automl.tasks import ExplainTask

LEAST_S = 0.2  # in less nothing can be explained
MARGIN_S = 0.1  # to answer in, and again to be killed in
NO_TIME = "no time was left for it; give the search a larger time budget"


def explain_final(campaign: Campaign) -> ShapImportance | None:
    """Explain the model that was just assembled, within the time that is left; None where that is not wanted."""
    problem = campaign.problem
    if not problem.plan.compute_shap:
        return None
    campaign.observer.phase("evaluation", 0.8, "explaining the model")
    found, fault = _ask_all(campaign)
    if sum(totals.n_rows for totals in found):
        importance = _shares(problem, found)
    else:
        importance = ShapImportance(reason=fault or NO_TIME)
    _log(campaign, importance)
    return importance


def _log(campaign: Campaign, found: ShapImportance) -> None:
    if found.reason:
        campaign.observer.log("warning", f"[Evaluation] no SHAP importance: {found.reason}")
        return
    how = f"SHAP importance by the explainer {found.explainer} on the {found.output} of {found.n_rows} test rows"
    is_little = found.n_rows < min(ENOUGH_ROWS, len(campaign.problem.split.test))
    if is_little:
        how += "; so few tell only roughly what counts"
    campaign.observer.log("warning" if is_little else "info", f"[Evaluation] {how}")


def _ask_all(campaign: Campaign) -> tuple[list[ShapTotals], str]:
    """What the processes found, and why the last that failed did."""
    until = hard = None
    if campaign.deadline is not None:
        until, hard = campaign.deadline - MARGIN_S, campaign.deadline + MARGIN_S
        if until - time.monotonic() < LEAST_S:
            return [], NO_TIME
    pool = campaign.pool
    n_parts = min(pool.size, MAX_ROWS, len(campaign.problem.split.test))
    waiting = {pool.submit(ExplainTask(part, n_parts, until), hard) for part in range(n_parts)}
    found: list[ShapTotals] = []
    fault = ""
    while waiting:
        for event in pool.poll(1.0):
            waiting.discard(event.worker)
            if event.kind == "done":
                found.append(event.value)
            else:
                fault = str(event.value)
    return found, fault


def _shares(problem: Problem, found: list[ShapTotals]) -> ShapImportance:
    found = [totals for totals in found if totals.n_rows]
    sums = np.sum([totals.sums for totals in found], axis=0)
    by_column = sums.mean(axis=1)
    if not by_column.sum() > 0:
        return ShapImportance(reason="the model answers the same whatever is in the columns")
    first = found[0]
    by_class = {}
    if first.names:
        for name, column in zip(first.names, sums.T, strict=True):
            if column.sum() > 0:
                by_class[name] = dict(zip(problem.features, (column / column.sum()).tolist(), strict=True))
    return ShapImportance(
        shares=dict(zip(problem.features, (by_column / by_column.sum()).tolist(), strict=True)),
        by_class=by_class,
        explainer=first.explainer,
        output=first.output,
        n_rows=sum(totals.n_rows for totals in found),
        n_background=first.n_background,
    )
