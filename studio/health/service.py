"""Asks every backend whether it works, and who may read the figures."""

import hmac
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from contextlib import AbstractContextManager
from dataclasses import dataclass

from studio.backends.execution.sandbox import is_sandbox_usable
from studio.backends.mlflow.database import is_reachable
from studio.backends.stores import Stores
from studio.errors import BackendDown, ModelNotFound, TokenInvalid, TokenMissing
from studio.training import service as training

logger = logging.getLogger(__name__)

LIMIT_S = 2.5  # longest wait for one check
FRESH_S = 1.0  # for how long its answer holds
SANDBOX = "sandbox"


@dataclass(frozen=True)
class Readiness:
    """What the checks found.

    Attributes:
        is_ready: True when every check that matters passed.
        checks: ``ok`` or ``failed`` by name; ``ok`` or ``off`` for the sandbox, which does not matter.
    """

    is_ready: bool
    checks: Mapping[str, str]


class Probes:
    """The checks of one application: each runs at most once at a time, and its answer holds for a second.

    Safe to share between threads. Nothing runs before the first question, so a fork before that is fine.
    """

    def __init__(
        self,
        open_stores: Callable[[], AbstractContextManager[Stores]],
        checks: Mapping[str, Callable[[Stores], None]] | None = None,
        limit_s: float = LIMIT_S,
    ) -> None:
        """
        Args:
            open_stores: Opens reading stores.
            checks: What to call by name; each raises when it fails. None for all there are.
            limit_s: Longest wait for one check, in seconds.
        """
        self._open_stores = open_stores
        self._checks = CHECKS if checks is None else checks
        self._limit_s = limit_s
        self._answers: dict[str, tuple[float, Future[bool]]] = {}
        self._lock = threading.Lock()

    def ask(self) -> Readiness:
        """Run every check whose answer is old, at the same time, and wait for none longer than its limit."""
        asked = {name: self._answer(name) for name in self._checks}
        passed = {name: self._is_passed(since, future) for name, (since, future) in asked.items()}
        checks = {name: _word(name, is_passed) for name, is_passed in passed.items()}
        return Readiness("failed" not in checks.values(), checks)

    def _answer(self, name: str) -> tuple[float, Future[bool]]:
        now = time.monotonic()
        with self._lock:
            known = self._answers.get(name)
            if known is not None and (not known[1].done() or now - known[0] < FRESH_S):
                return known
            future: Future[bool] = Future()
            self._answers[name] = (now, future)
        # Not of a pool: its threads would hold the end of the process up for as long as a backend hangs.
        threading.Thread(target=self._run, args=(name, future), name=f"check-{name}", daemon=True).start()
        return now, future

    def _run(self, name: str, future: Future[bool]) -> None:
        try:
            with self._open_stores() as stores:
                self._checks[name](stores)
        except Exception as error:  # whatever it is, the check has failed and the answer must say so
            if name != SANDBOX:
                logger.warning("the check of %s failed: %s", name, error)
            future.set_result(False)
        else:
            future.set_result(True)

    def _is_passed(self, since: float, future: Future[bool]) -> bool:
        try:
            return future.result(timeout=max(0.0, since + self._limit_s - time.monotonic()))
        except NotInTime:
            return False


def check_database(stores: Stores) -> None:
    """Raises when the own tables cannot be read, or are not there."""
    training.is_worker_alive(stores.db, now=stores.now())


def check_artifact_store(stores: Stores) -> None:
    """Raises when the file store cannot be written and read."""
    stores.files.check()


def check_mlflow(stores: Stores) -> None:
    """Raises when MLflow cannot be asked for a model."""
    if not is_reachable(stores.config.mlflow_database_url):  # MLflow itself would try for minutes
        raise BackendDown("MLflow's database does not answer.")
    try:
        stores.registry.find_entry("readiness")
    except ModelNotFound:
        return


def check_queue(stores: Stores) -> None:
    """Raises when no worker gave a sign of life lately."""
    if not training.is_worker_alive(stores.db, now=stores.now()):
        raise BackendDown("No worker is alive; queued runs wait.")


def check_sandbox(stores: Stores) -> None:
    """Raises when this machine cannot confine other people's code."""
    if not is_sandbox_usable():
        raise BackendDown("There is no sandbox.")


CHECKS: Mapping[str, Callable[[Stores], None]] = {
    "database": check_database,
    "artifact_store": check_artifact_store,
    "mlflow": check_mlflow,
    "queue": check_queue,
    SANDBOX: check_sandbox,
}


def check_scraper(stores: Stores, authorization: str | None) -> None:
    """Let a reader of the figures through: anyone where no token is configured, else its bearer.

    Args:
        stores: Open stores.
        authorization: The Authorization header.

    Raises:
        TokenMissing: There is no bearer token.
        TokenInvalid: It is another one.
    """
    configured = stores.config.metrics_token
    if configured is None or not configured.get_secret_value():
        return
    scheme, _, given = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not given.strip():
        raise TokenMissing("Send the scrape token as `Authorization: Bearer <token>`.")
    if not hmac.compare_digest(given.strip().encode(), configured.get_secret_value().encode()):
        raise TokenInvalid("The scrape token is another one.")


def _word(name: str, is_passed: bool) -> str:
    if is_passed:
        return "ok"
    return "off" if name == SANDBOX else "failed"
