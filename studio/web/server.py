"""gunicorn as the API needs it: its log lines are ours, and idle connections do not hold its end up."""

import logging

from gunicorn.config import Config as GunicornConfig  # type: ignore[import-untyped]
from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

LOOK_EVERY_S = 0.1


class JsonLogger(Logger):  # type: ignore[misc]
    """Hands gunicorn's messages to the process's own log, one JSON object a line; calls are logged elsewhere."""

    def setup(self, cfg: GunicornConfig) -> None:
        """Called by gunicorn at the start and after each reading of its settings."""
        self.cfg = cfg
        self.loglevel = self.LOG_LEVELS[cfg.loglevel]
        self.error_log.setLevel(self.loglevel)
        self.error_log.propagate = True
        self.access_log.addHandler(logging.NullHandler())


class DrainingWorker(ThreadWorker):  # type: ignore[misc]
    """Threads that end as soon as the calls under way are answered.

    gunicorn's own would wait the whole grace period for a client that keeps its connection open between calls.
    """

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Called by gunicorn, while draining with all the time that is left."""
        if not self.alive:
            for conn in (*self.keepalived_conns, *self.pending_conns):
                conn.timeout = 0.0
            self.murder_keepalived()
            self.murder_pending()
            timeout = min(timeout, LOOK_EVERY_S) if self.nr_conns else 0.0
        super().wait_for_and_dispatch_events(timeout)
