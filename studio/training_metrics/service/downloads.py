"""The whole log of a run as a file."""

from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from studio.backends.stores import Stores
from studio.clock import format_time
from studio.domain.runs import LogLevel
from studio.training import service as training
from studio.training_metrics.service.explanations import find_subject

LINES_PER_CHUNK = 1000


@dataclass(frozen=True)
class LogFile:
    """A log to be saved; its chunks are read while it is sent."""

    filename: str
    media_type: str
    chunks: Iterator[bytes]


def download_log(stores: Stores, model_id: str, *, run_id: str | None, as_json: bool) -> LogFile:
    """Every line of a run's log, of the newest completed run unless named.

    The lines there are when it begins are sent; a run that goes on does not lengthen the file.

    Raises:
        RunNotFound: There is no such run.
    """
    run = find_subject(stores, model_id, run_id=run_id, version_id=None)
    total, _ = training.read_log(stores.db, run.run_id, levels=LogLevel.DEBUG.and_above, limit=1, offset=0, tail=False)
    lines = _each_chunk(stores, run.run_id, total)
    if as_json:
        return LogFile(f"{run.run_id}.json", "application/json", _as_json(lines))
    return LogFile(f"{run.run_id}.txt", "text/plain", _as_text(lines))


def _each_chunk(stores: Stores, run_id: str, total: int) -> Iterator[list[training.RunEvent]]:
    for offset in range(0, total, LINES_PER_CHUNK):
        with stores.open_apart(write=False) as opened:  # the call's own are closed while the answer is sent
            _, events = training.read_log(
                opened.db, run_id, levels=LogLevel.DEBUG.and_above,
                limit=min(LINES_PER_CHUNK, total - offset), offset=offset, tail=False,
            )  # fmt: skip
        yield list(events)


def _as_text(chunks: Iterator[list[training.RunEvent]]) -> Iterator[bytes]:
    for events in chunks:
        yield "".join(_text_of(event) for event in events).encode()


def _text_of(event: training.RunEvent) -> str:
    message = " ".join(event.payload["message"].splitlines())
    return f"{format_time(event.timestamp)} {event.payload['level'].upper()} {message}\n"


def _as_json(chunks: Iterator[list[training.RunEvent]]) -> Iterator[bytes]:
    separator = b"["
    for events in chunks:
        for event in events:
            line = {
                "line": event.payload["line"], "level": event.payload["level"],
                "message": event.payload["message"], "timestamp": format_time(event.timestamp),
            }  # fmt: skip
            yield separator + orjson.dumps(line)
            separator = b",\n"
    yield b"[]" if separator == b"[" else b"]"
