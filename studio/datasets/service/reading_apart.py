"""Reads large tables in processes of their own, few at a time: what one takes of memory goes with its process."""

import pickle
import signal
import threading
from pathlib import Path

import psutil

from studio.backends.execution.local_processes import LocalProcesses
from studio.config import environment_without_secrets
from studio.errors import DatasetUnreadable
from studio.tabular.ingestion import Typed, type_table
from studio.tabular.reading_process import too_much_memory

APART_FROM_BYTES = 8 << 20  # a smaller one is read sooner than a process has started
AT_ONCE = 2
SHARE_OF_MEMORY = 0.5
PATIENCE_S = 1800.0

_turns = threading.BoundedSemaphore(AT_ONCE)


def read_table(original: Path, target: Path) -> Typed:
    """As ``type_table``, a large table in a process of its own, for which it waits its turn.

    Args:
        original: The decompressed table, alone with what is made of it in its folder.
        target: The typed Parquet file to write.

    Raises:
        DatasetUnreadable: As type_table; also where reading takes too much memory or time, or breaks the reader.
        InvalidInput: As type_table.
    """
    return type_table(original, target) if original.stat().st_size < APART_FROM_BYTES else _read_apart(original, target)


def _read_apart(original: Path, target: Path) -> Typed:
    answer = original.with_name("answer")
    memory_bytes = int(psutil.virtual_memory().total * SHARE_OF_MEMORY)
    given = {"original": original, "target": target, "answer": answer, "memory_bytes": memory_bytes}
    with _turns:
        processes = LocalProcesses(environment=environment_without_secrets())
        try:
            output = original.with_name("output")
            process = processes.start("table", "studio.tabular.reading_process:main", given, output=output)
            exit_code = process.wait(PATIENCE_S)
        finally:
            processes.close()
    if exit_code == 0:
        return _outcome_in(answer)
    if exit_code is None:
        raise DatasetUnreadable(f"Reading the table takes more than {PATIENCE_S / 60:.0f} minutes.")
    if exit_code == -signal.SIGKILL:
        raise too_much_memory(memory_bytes)
    if exit_code < 0:
        raise DatasetUnreadable("The file breaks its reader; write it anew.")
    raise RuntimeError(f"reading a table failed: {output.read_text(errors='replace')[-2000:]}")


def _outcome_in(answer: Path) -> Typed:
    outcome = pickle.loads(answer.read_bytes())  # noqa: S301  our own process wrote it
    if isinstance(outcome, Exception):
        raise outcome
    typed: Typed = outcome
    return typed
