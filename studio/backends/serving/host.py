"""The process of one model version: loads it and answers requests until nobody asks any more.

Requests and answers are JSON in frames over a local socket; see ``studio.backends.serving.frames``. ``{"op": "predict",
"rows": [...], "deadline": s}`` is answered by ``{"predictions": [...], "probabilities": [...]|null, "ms": ...}`` or
``{"error": code, "message": ...}``; ``{"op": "explain", "rows": [...], "deadline": s, "background": [...],
"class_label": ...}`` by what ``RowExplainer`` says. A deployed host says with each prediction which deployment and
version it serves, gives every row an id, and has written down what it predicted before it answers; see
``PredictionLog``. Whatever waits while the model works is predicted together, and each caller gets his own rows.
"""

import importlib
import os
import secrets
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import zmq

from studio.backends.serving.batches import Waiting, shape_of, take_batch
from studio.backends.serving.called_model import CalledModel
from studio.backends.serving.frames import FrameServer
from studio.backends.serving.prediction_log import PredictionLog
from studio.backends.serving.wire import to_json
from studio.domain.identifiers import new_prediction_ids
from studio.errors import ModelFilesChanged, NotApplicable, Overloaded, UnknownClass

EXPLAINER = "studio.backends.serving.row_explainer"  # loaded when it is first needed: its libraries take seconds
TOLD = ("deployment_id", "version_id")  # on every answer
MAX_WAITING = 256
MAX_MESSAGE = 500
LOOK_UP_MS = 1000  # how often a host that is not asked looks whether it is to end
USED_EVERY_S = 2.0


class Host:
    """Answers requests for one loaded model, in one thread."""

    def __init__(
        self,
        model: CalledModel,
        requests: FrameServer,
        control: zmq.Socket[bytes],
        about: Mapping[str, str] | None = None,
        log: PredictionLog | None = None,
    ) -> None:
        self._model, self._requests, self._control, self._log = model, requests, control, log
        self._told = None if about is None else {name: about[name] for name in TOLD}
        self._waiting: deque[Waiting] = deque()
        self._explainer: Any = None
        self._used_at = self._told_at = time.monotonic()
        self._is_stopping = False
        signal.signal(signal.SIGTERM, self._stop)

    def serve(self, idle_s: float) -> None:
        """Answer until told to stop, or until nobody has asked for so many seconds."""
        poller = zmq.Poller()
        poller.register(self._requests.fileno(), zmq.POLLIN)
        poller.register(self._control, zmq.POLLIN)
        while not self._is_stopping and time.monotonic() - self._used_at < idle_s:
            ready = dict(poller.poll(LOOK_UP_MS))
            if self._control in ready:
                self._is_stopping = True  # the supervisor has nothing else to say
            self.answer_waiting()
            if self._log is not None:
                self._log.close_if_old()
        self.answer_waiting()  # what came in meanwhile

    def answer_waiting(self) -> None:
        """Take all there is, and answer it."""
        self._take_in()
        while self._waiting:
            batch = take_batch(self._waiting)
            self._answer([request for request in batch if request.deadline > time.monotonic()])
            self._used_at = time.monotonic()
            self._take_in()

    def _stop(self, *_: object) -> None:
        self._is_stopping = True

    def _take_in(self) -> None:
        for sender, body in self._requests.receive():
            self._used_at = time.monotonic()
            if self._used_at - self._told_at > USED_EVERY_S:
                self._control.send(to_json({"op": "used"}))
                self._told_at = self._used_at
            if len(self._waiting) >= MAX_WAITING:
                self._refuse(sender, "overloaded", f"{MAX_WAITING} requests wait already")
                continue
            try:
                request = orjson.loads(body)
                rows, deadline = request["rows"], request["deadline"]
                explain = request if request["op"] == "explain" else None
            except (ValueError, KeyError, TypeError):
                self._refuse(sender, "bad_request", "the request is not one")
                continue
            shape = shape_of(rows, self._model.reads_rows) if explain is None else None
            self._waiting.append(Waiting(sender, rows, deadline, shape, self._used_at, explain))

    def _answer(self, batch: list[Waiting]) -> None:
        """Predict together; where that fails, one by one, so that one caller's rows fail only him."""
        if batch and batch[0].explain is not None:
            self._answer_explaining(batch[0])
            return
        rows = [row for request in batch for row in request.rows]
        if not rows:
            return
        begun = time.perf_counter()
        try:
            predictions, probabilities = self._model.predict(rows)
            took_ms = (time.perf_counter() - begun) * 1000
            shares = list(_shares(batch, predictions, probabilities, took_ms))
            if self._told is not None:
                self._name_rows(shares)
            answers = [to_json(share) for share in shares]
        except (Exception, SystemExit) as error:
            if len(batch) > 1:
                for request in batch:
                    self._answer([request])
                return
            traceback.print_exc()
            self._refuse(batch[0].sender, "prediction_failed", in_words(error))
            return
        if self._log is not None:
            self._log.append([_line_of(request, share) for request, share in zip(batch, shares, strict=True)])
        for request, answer in zip(batch, answers, strict=True):
            self._requests.send(request.sender, answer)

    def _answer_explaining(self, request: Waiting) -> None:
        assert request.explain is not None
        try:
            if self._explainer is None:
                module = importlib.import_module(EXPLAINER)
                self._explainer = module.RowExplainer(self._model.loaded, request.explain["background"])
            found = self._explainer.explain(request.rows, request.explain["class_label"], request.deadline)
            self._requests.send(request.sender, to_json(found))
        except (NotApplicable, UnknownClass, Overloaded) as refusal:
            self._refuse(request.sender, refusal.code, str(refusal))
        except (Exception, SystemExit) as error:
            traceback.print_exc()
            self._refuse(request.sender, "prediction_failed", in_words(error))

    def _name_rows(self, shares: list[dict[str, Any]]) -> None:
        """Say on answers what a deployed host says of itself, and the ids of its predictions."""
        ids = new_prediction_ids(sum(len(share["predictions"]) for share in shares), time.time())
        start = 0
        for share in shares:
            stop = start + len(share["predictions"])
            share |= self._told or {}
            share["prediction_ids"] = ids[start:stop]
            start = stop

    def _refuse(self, sender: int, code: str, message: str) -> None:
        self._requests.send(sender, to_json({"error": code, "message": message}))


def _shares(
    batch: list[Waiting], predictions: list[Any], probabilities: list[dict[str, float]] | None, took_ms: float
) -> Iterator[dict[str, Any]]:
    """Each request's own part of what was predicted together."""
    start = 0
    for request in batch:
        own = slice(start, start + len(request.rows))
        start = own.stop
        shares = probabilities[own] if probabilities is not None else None
        yield {"predictions": predictions[own], "probabilities": shares, "ms": took_ms}


def _line_of(request: Waiting, share: Mapping[str, Any]) -> dict[str, Any]:
    """What is written down of a request."""
    return {
        "at": time.time(),
        "ids": share["prediction_ids"],
        "rows": request.rows,
        "predictions": share["predictions"],
        "probabilities": share["probabilities"],
        "ms": round((time.monotonic() - request.came_at) * 1000, 3),
    }


def main(
    loader: str,
    args: dict[str, Any],
    address: str,
    control_address: str,
    idle_s: float,
    about: Mapping[str, str] | None = None,
    log_folder: str | None = None,
) -> None:
    """Be the host of one model.

    Args:
        loader: What loads it, as ``package.module:function``.
        args: Its keyword arguments.
        address: Path of the socket to answer at.
        control_address: ZeroMQ address of the supervisor, who is told ``ready`` or ``failed``.
        idle_s: Seconds without a request after which the host ends.
        about: What a deployed host is there for; it is ready only once the model predicted its example.
        log_folder: Where it writes down what it predicts; None where that is not wanted.
    """
    context = zmq.Context()
    context.linger = LOOK_UP_MS
    control = context.socket(zmq.DEALER)
    control.connect(control_address)
    self_told = {"address": address, "pid": os.getpid()}
    try:
        module, _, function = loader.partition(":")
        model = CalledModel(getattr(importlib.import_module(module), function)(**args))
        if about is not None:
            model.test_itself()
        requests = FrameServer(Path(address))
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        is_tampered = isinstance(error, ModelFilesChanged)
        control.send(to_json({"op": "failed", "message": in_words(error), "is_tampered": is_tampered, **self_told}))
        context.destroy(linger=LOOK_UP_MS)
        sys.exit(1)
    control.send(to_json({"op": "ready", **self_told}))
    log = None
    if about is not None and log_folder is not None:
        log = PredictionLog(Path(log_folder), f"{about['deployment_id']}-{secrets.token_hex(8)}", about)
    try:
        Host(model, requests, control, about, log).serve(idle_s)
    finally:
        requests.close()
        if log is not None:
            log.close()
        context.destroy(linger=LOOK_UP_MS)


def in_words(error: BaseException) -> str:
    """What a model raised, in one line that a caller may read."""
    words = f"{type(error).__name__}: {error}".encode(errors="replace").decode()  # JSON takes no lone surrogates
    return " ".join(words.split())[:MAX_MESSAGE]
