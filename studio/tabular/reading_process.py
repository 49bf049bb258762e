"""The process that reads one large or doubtful table, so that neither its size nor its faults reach the service."""

import pickle
import resource
from pathlib import Path

from studio.errors import DatasetUnreadable, StudioError
from studio.tabular.ingestion import type_table


def main(original: Path, target: Path, answer: Path, memory_bytes: int) -> None:
    """Type a table and write, pickled, what ``type_table`` returns or the error it raises, a full disk too.

    Args:
        original: The decompressed table.
        target: The typed Parquet file to write.
        answer: Where the outcome goes.
        memory_bytes: Most memory this process may take.
    """
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    outcome: object
    try:
        outcome = type_table(original, target)
    except (StudioError, OSError) as error:
        outcome = error
    except MemoryError:
        outcome = too_much_memory(memory_bytes)
    answer.write_bytes(pickle.dumps(outcome))


def too_much_memory(memory_bytes: int) -> DatasetUnreadable:
    """The refusal of a table that cannot be read within so much memory."""
    limit_mb = memory_bytes >> 20
    return DatasetUnreadable(
        f"Reading the table takes more than {limit_mb} MB of memory; write it with smaller row groups."
    )
