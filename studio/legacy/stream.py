"""The socket that takes a Parquet file, starts a training with it and tells of the run."""

import contextlib
import errno
import functools
import logging
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import IO, Any

import orjson
from flask import current_app
from flask_smorest import Blueprint
from marshmallow import ValidationError

from studio.backends.stores import Stores
from studio.clock import Clock, format_time
from studio.domain.tasks import TaskType
from studio.errors import BackendDown, InternalFault, InvalidInput, StudioError, Unauthenticated
from studio.legacy import service
from studio.legacy.schemas import StartMessage
from studio.training_metrics import service as training_metrics
from studio.training_metrics.service import RunFeed
from studio.web.context import Context, Edge, Origin, current_edge
from studio.web.errors import fields_of
from studio.web.refusals import note_refusal
from studio.web.stream import stream
from studio.web.websocket import Piece

logger = logging.getLogger(__name__)

bp = Blueprint("legacy_stream", __name__, url_prefix="/api/model-studio")

MAX_MESSAGE_BYTES = 100 << 20
FILE = "file_data"
OF_OURS = {"target_column": "target_variable", "algorithm": "model_type", "name": "task_name"}  # names of other rooms


@stream(
    bp, "legacy.train_from_parquet", "/ws/train-from-parquet", needs="model:write and dataset:write",
    or_where=service.may_use, audit="model.training_started", max_message_bytes=MAX_MESSAGE_BYTES,
)  # fmt: skip
def train_from_parquet(ctx: Context) -> "Conversation":
    """Take a Parquet file, train on it, and tell of the run."""
    edge = current_edge()
    hub = training_metrics.shared_hub(current_app.extensions, edge.open_stores)
    starter = Starter(edge, ctx, hub)
    return Conversation(starter.start, edge.sockets.loop.do_long, ctx.stores.clock)


@dataclass(frozen=True)
class Started:
    """A run that was accepted, and what tells of it."""

    model_id: str
    run_id: str
    feed: RunFeed


class Starter:
    """Starts trainings for one caller; needs no open stores."""

    def __init__(self, edge: Edge, ctx: Context, hub: training_metrics.RunHub) -> None:
        self._edge, self._actor, self._origin, self._hub = edge, ctx.actor, ctx.origin, hub

    def start(self, said: Any, file: IO[bytes]) -> Started:
        """Do what a message asks for. Raises StudioError."""
        try:
            return self._start(_read(said), file)
        except StudioError as error:
            note_refusal(error, self._origin, self._actor)
            raise

    def _start(self, wanted: service.Start, file: IO[bytes]) -> Started:
        edge, actor = self._edge, self._actor
        edge.limiter.count(f"{actor.organization}/{actor.user_id}")
        open_stores = functools.partial(edge.open_stores, actor)
        append = functools.partial(_append_audit, edge, self._origin)
        run = service.start_from_parquet(open_stores, append, file, wanted)
        with open_stores(write=False) as stores:
            feed = training_metrics.follow_run(stores, self._hub, run.model_id, run_id=run.run_id, after=0)
        return Started(run.model_id, run.run_id, feed)


class Conversation:
    """What one client says and hears; see Feed of ``studio/web/talk.py``.

    The client has the word until a run is accepted: its messages are read one after the other, each answered by an
    error or by ``accepted``. From then on the run is told and the client passed over.
    """

    def __init__(
        self,
        start_training: Callable[[Any, IO[bytes]], Started],
        do_long: Callable[[Callable[[], Started]], "Future[Started]"],
        clock: Clock,
    ) -> None:
        """
        Args:
            start_training: Starts what a message and its file ask for; may take minutes. Raises StudioError.
            do_long: Has another thread do something that takes long.
            clock: The time.
        """
        self._start_training, self._do_long, self._clock = start_training, do_long, clock
        self._wake: Callable[[], None] = lambda: None
        self._pieces: list[Piece] = []
        self._message: _Message | None = None
        self._starting: Future[Started] | None = None
        self._run: RunFeed | None = None
        self._lock = threading.Lock()  # held while ``take`` reads: ``close`` then leaves it to that to forget
        self._is_closed = False
        self.model_id: str | None = None

    @property
    def is_over(self) -> bool:
        """True once everything was told of the run."""
        return self._run is not None and self._run.is_over

    @property
    def is_hearing(self) -> bool:
        """False while a message is being dealt with: the next one waits."""
        return self._starting is None

    @property
    def is_patient(self) -> bool:
        """True until a run is accepted."""
        return self._run is None

    @property
    def backlog(self) -> int:
        """Messages of the run that wait to be taken."""
        return self._run.backlog if self._run is not None else 0

    def start(self, wake: Callable[[], None]) -> None:
        """Begin."""
        self._wake = wake

    def receive(self, piece: Piece) -> None:
        """Hear the next part of a message."""
        if self._run is None:
            self._pieces.append(piece)

    def take_kept(self, limit: int) -> list[bytes] | None:
        """What there is to say; None when something said must be read first."""
        if self._run is not None:
            return self._run.take_kept(limit)
        if self._starting is not None:
            return self._answer(self._starting) if self._starting.done() else []
        return None if self._pieces else []

    def take(self, limit: int) -> list[bytes]:
        """Read what the client has said, or what the run has told."""
        if self._run is not None:
            return self._run.take(limit)
        with self._lock:
            messages = self._read_pieces()
        if self._is_closed:
            self._forget()
        return messages

    def heartbeat(self) -> bytes:
        """A message that only shows that the socket is alive."""
        if self._run is not None:
            return self._run.heartbeat()
        return orjson.dumps({"type": "ping", "timestamp": format_time(self._clock())})

    def close(self) -> None:
        """Forget what was said; a run that was asked for is started in any case, and goes on."""
        self._is_closed = True
        if self._lock.acquire(blocking=False):
            self._lock.release()
            self._forget()
        if self._run is not None:
            self._run.close()

    def _forget(self) -> None:
        message, self._message = self._message, None
        if message is not None:
            message.discard()

    def _read_pieces(self) -> list[bytes]:
        """Read up to the end of a message; what follows it waits."""
        while self._pieces:
            piece = self._pieces.pop(0)
            self._message = self._message or _Message()
            self._message.reader.take(piece.data)
            if piece.is_last:
                message, self._message = self._message, None
                return self._hear(message)
        return []

    def _hear(self, message: "_Message") -> list[bytes]:
        try:
            said = message.reader.finish()
        except StudioError as error:
            message.discard()
            return [_tell_error(error)]
        self._starting = self._do_long(functools.partial(self._begin, said, message))
        self._starting.add_done_callback(lambda _: self._wake())
        return []

    def _begin(self, said: Any, message: "_Message") -> Started:
        try:
            return self._start_training(said, message.file)
        finally:
            message.discard()

    def _answer(self, starting: "Future[Started]") -> list[bytes]:
        self._starting = None
        try:
            started = starting.result()
        except Exception as error:
            return [_tell_error(_in_words(error))]
        started.feed.start(self._wake)
        self._run, self.model_id = started.feed, started.model_id
        self._pieces.clear()
        return [orjson.dumps({"type": "accepted", "model_id": started.model_id, "run_id": started.run_id})]


class _Message:
    """A message that is being read; its file has no name, so that nothing stays of a process that is killed."""

    def __init__(self) -> None:
        self.file: IO[bytes] = tempfile.TemporaryFile("rb+")  # noqa: SIM115  open until the message is dealt with
        self.reader = service.MessageReader(FILE, self.file)

    def discard(self) -> None:
        """Let go of the file; safe to repeat."""
        with contextlib.suppress(OSError):  # what could not be written is not wanted any more
            self.file.close()


def _read(said: Any) -> service.Start:
    try:
        fields: dict[str, Any] = StartMessage().load(said)
    except ValidationError as error:
        faults = fields_of(error, as_pointers=True)
        raise InvalidInput("The message cannot be followed", fields=faults) from error
    return service.Start(
        task=TaskType(fields["ml_task"]),
        target=fields.get("target_variable"),
        algorithm=fields["model_type"],
        test_size=fields["test_size"],
        name=fields["task_name"],
    )


def _append_audit(edge: Edge, origin: Origin, stores: Stores, action: str, note: Any) -> None:
    edge.append_audit(stores, action, note, origin)


def _in_words(error: Exception) -> StudioError:
    """An error as the client may read it. Raises Unauthenticated, which closes the socket."""
    if isinstance(error, Unauthenticated):
        raise error
    if isinstance(error, StudioError):
        return error
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return BackendDown("The disk of the service is full; nothing was kept.")
    logger.error("a training could not be started", exc_info=error)
    return InternalFault("Something went wrong here; the log of the service tells what.")


def _tell_error(error: StudioError) -> bytes:
    faults = [(_in_its_names(pointer), message) for pointer, message in error.fields]
    told = "; ".join(f"{pointer} {message}" for pointer, message in faults if message != str(error))
    message = f"{str(error).rstrip('.')}: {told}" if told else str(error)
    listed = [{"pointer": pointer, "message": fault} for pointer, fault in faults]
    return orjson.dumps({"type": "error", "code": error.code, "message": message, "errors": listed})


def _in_its_names(pointer: str) -> str:
    last = pointer.rpartition("/")[2]
    return f"/{OF_OURS.get(last, last)}"
