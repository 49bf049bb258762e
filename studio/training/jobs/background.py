"""Some training rows that are kept with a version, so that its predictions can be explained."""

from typing import Final

import numpy as np
import pandas as pd

from studio.automl.result import SearchResult
from studio.backends.serving.wire import to_json

MAX_ROWS: Final = 100
LEAST_ROWS: Final = 5
MAX_CELLS: Final = 100_000
SEED: Final = 0


def background_of(frame: pd.DataFrame, result: SearchResult) -> bytes:
    """Rows drawn from the training split, the same at every repeat, as a JSON list of records.

    Args:
        frame: The dataset.
        result: What the search made of it.
    """
    columns = list(result.feature_columns)
    n_rows = max(LEAST_ROWS, min(MAX_ROWS, MAX_CELLS // max(1, len(columns))))
    rows = np.random.default_rng(SEED).permutation(result.splits["train"].row_index)[:n_rows]
    return to_json(frame[columns].iloc[np.sort(rows)].to_dict("records"))
