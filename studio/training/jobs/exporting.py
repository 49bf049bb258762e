"""The files a version can be downloaded as, made by the run that trained it: nobody else loads a model."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from studio.domain.versions import FileFormat
from studio.exports.pickles import write_pickle, write_skops

SKOPS_LEAST_S = 2.0  # a forest's thousands of arrays take so long, however small they are
SKOPS_BYTES_PER_S = 5 << 20

Log = Callable[[str, str], None]


def export_model(estimator: Any, folder: Path, *, deadline: float, log: Log) -> dict[FileFormat, Path]:
    """Write the model in the forms that any model can be had as; what cannot be written is told and left out.

    Args:
        estimator: Fitted.
        folder: Where the files go; a repeat replaces them.
        deadline: Monotonic time by which all must be done.
        log: Takes a level and a line of the run's log.
    """
    files = {FileFormat.PKL: folder / "model.pkl"}
    write_pickle(estimator, files[FileFormat.PKL])
    expected_s = SKOPS_LEAST_S + files[FileFormat.PKL].stat().st_size / SKOPS_BYTES_PER_S
    if time.monotonic() + expected_s > deadline:
        log("info", "[Pipeline] no skops file: writing it would not fit into the time budget")
        return files
    try:
        write_skops(estimator, folder / "model.skops")
    except Exception as error:  # whatever a plugin's estimator is made of must not fail the run
        log("warning", f"[Pipeline] no skops file: {type(error).__name__}: {error}")
    else:
        files[FileFormat.SKOPS] = folder / "model.skops"
    return files
