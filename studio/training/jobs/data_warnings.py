"""What a run says of its data before it learns from them: in its log, on its stream and on its MLflow run."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from studio.backends.stores import Stores
from studio.datasets import service as datasets

ARTIFACT: Final = "data_warnings.json"
TAG: Final = "data_warnings"
MOST_LINES: Final = 40  # in the log; the artifact has all
LEAST_CELLS, MOST_CELLS, CELLS_PER_S = 1_000_000, 20_000_000, 200_000  # that are looked at, by seconds of a budget
# Those that say what a column is like, not what is wrong with it.
REMARKS: Final = frozenset({"converted", "high_cardinality", "rare_categories", "outliers"})

Log = Callable[[str, str], None]


def warn_of_data(
    stores: Stores,
    dataset_id: str,
    table: Path,
    *,
    features: Collection[str],
    target: str | None,
    budget_s: float | None,
    mlflow_run_id: str,
    log: Log,
) -> int:
    """Tell what is to be known of the columns a run uses; safe to repeat, and then soon done.

    Args:
        stores: Open stores.
        dataset_id: Id of the dataset.
        table: A copy of its typed table, in the run's own folder.
        features: Columns the model may learn from; empty for all.
        target: The column it predicts, None for none.
        budget_s: Seconds of the search, of which this takes a small part; None for no limit.
        mlflow_run_id: The MLflow run.
        log: Takes level and text of a line.

    Returns:
        How many warnings there are.
    """
    most = MOST_CELLS if budget_s is None else int(min(MOST_CELLS, max(LEAST_CELLS, CELLS_PER_S * budget_s)))
    found, n_rows = datasets.warn_of_dataset(stores, dataset_id, table, target_column=target, most_cells=most)
    used = {None, target, *features} if features else None
    warnings = [warning for warning in found if _concerns(warning, used, target)]
    _tell(warnings, log)
    told = {"rows": n_rows, "warnings": warnings}
    stores.runs.log_text(mlflow_run_id, ARTIFACT, json.dumps(told, indent=1, ensure_ascii=False))
    if warnings:
        stores.runs.log_tags(mlflow_run_id, {TAG: ", ".join(sorted({warning["code"] for warning in warnings}))})
    return len(warnings)


def _concerns(warning: Mapping[str, Any], used: Collection[str | None] | None, target: str | None) -> bool:
    """Whether a warning is about what the run uses; ids and many values are no matter in a target."""
    column = warning["column"]
    if column is not None and column == target:
        return warning["code"] in ("missing_target", "imbalanced_target", "converted", "ambiguous_numbers", "outliers")
    return used is None or column in used


def _tell(warnings: Sequence[Mapping[str, Any]], log: Log) -> None:
    # The search itself says how many rows it leaves out: fewer have a value than can be learned from.
    told = [warning for warning in warnings if warning["code"] != "missing_target"]
    grave_first = sorted(told, key=lambda warning: warning["code"] in REMARKS)
    for warning in grave_first[:MOST_LINES]:
        level = "info" if warning["code"] in REMARKS else "warning"
        about = "the table" if warning["column"] is None else repr(warning["column"])
        log(level, f"[Validation] {warning['code']}: {about}: {warning['message']}")
    if len(told) > MOST_LINES:
        log("warning", f"[Validation] {len(told) - MOST_LINES} more are in {ARTIFACT}")
