"""What the process of a job does in tests: chunks of few rows, and a stop where the test wants to kill it."""

import os
import time
from pathlib import Path

from studio import batch_process
from studio.batch_predictions.jobs import predicting
from studio.batch_predictions.jobs.parts import Parts
from studio.config import Config

FEW = 16


def work(config: Config, **given: object) -> None:
    """Do the job, in small chunks."""
    predicting.CHUNK_ROWS = FEW
    batch_process.main(config, **given)  # type: ignore[arg-type]


def stop_after_two(config: Config, **given: object) -> None:
    """Keep two chunks, say which process this is, and never come to an end."""
    keep = Parts.keep

    def keep_two(parts: Parts, number: int, found: object) -> None:
        if number == 2:
            Path(config.data_folder / "pipe").write_text(str(os.getpid()))
            time.sleep(600)
        keep(parts, number, found)  # type: ignore[arg-type]

    Parts.keep = keep_two  # type: ignore[method-assign,assignment]
    work(config, **given)


def die(**_: object) -> None:
    """End at once, as a process does that the kernel kills."""
    os._exit(9)
