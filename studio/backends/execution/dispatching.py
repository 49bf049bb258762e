"""A worker's part in jobs that have a process each: starts them, watches over them, ends them."""

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from sqlalchemy.orm import Session

from studio.backends.execution.port import Executor, Handle
from studio.backends.stores import OpenFor
from studio.clock import Clock
from studio.config import Config
from studio.db.session import Database
from studio.errors import NotFound

RENEW_EVERY_S = 1.0


@dataclass
class LiveJob:
    """A job whose process is alive.

    Attributes:
        handle: The process.
        renewed: When its lease was last renewed, in seconds of the monotonic clock.
    """

    handle: Handle
    renewed: float = field(default=0.0, init=False)

    def glance(self) -> None:
        """Look at the process between two renewals, several times a second."""


LiveT = TypeVar("LiveT", bound=LiveJob)


class JobDispatcher(ABC, Generic[LiveT]):
    """Keeps jobs of one kind going, each in a process with a work folder that outlives it.

    One per worker; ``step`` is called again and again.

    Attributes:
        gone: What the services raise for a job that went with its model.
    """

    gone: ClassVar[type[NotFound]]

    def __init__(
        self,
        database: Database,
        open_stores: OpenFor,
        executor: Executor,
        config: Config,
        *,
        worker_id: str,
        clock: Clock,
        target: str,
    ) -> None:
        """
        Args:
            database: The own tables.
            open_stores: Opens stores.
            executor: Starts processes.
            config: The settings.
            worker_id: The same for every life of this worker, so that a new one takes up its jobs at once.
            clock: The time.
            target: ``module:function`` that does one job, called with config, organization, the job's id by its name,
                and work_folder.
        """
        self._database, self._open, self._executor, self._config = database, open_stores, executor, config
        self._worker_id, self._clock, self._target = worker_id, clock, target
        self._live: dict[str, LiveT] = {}
        with database.transaction(write=True) as db:
            self._expire_leases(db, planned=False)

    def step(self) -> None:
        """Look after every live job, then take new ones while there is a seat."""
        for live in list(self._live.values()):
            try:
                self._watch(live)
            except self.gone:
                self._forget(live)
        while len(self._live) < self.seats and self._start_next():
            pass

    def stop(self) -> None:
        """End every process at once; their jobs go on when a worker next starts."""
        for live in self._live.values():
            live.handle.kill()
        with self._database.transaction(write=True) as db:
            self._expire_leases(db, planned=True)
        self._live.clear()

    @property
    @abstractmethod
    def seats(self) -> int:
        """How many jobs may be live at a time."""

    @property
    @abstractmethod
    def folder(self) -> Path:
        """Where the work folders are, each named like its job."""

    @abstractmethod
    def _expire_leases(self, db: Session, *, planned: bool) -> None:
        """Let go of the jobs this worker, or an earlier life of it, held."""

    @abstractmethod
    def _start_next(self) -> bool:
        """Take a job from the queue; False where none waits."""

    @abstractmethod
    def _look_after(self, live: LiveT) -> None:
        """Renew the lease of a job whose process runs, and do what is asked of it."""

    @abstractmethod
    def _bury(self, live: LiveT, why: str) -> None:
        """The process has ended: its job has too, or goes on in another, or has died too often."""

    @abstractmethod
    def _forget(self, live: LiveT) -> None:
        """End the process of a job that is none of this worker's any more."""

    def _watch(self, live: LiveT) -> None:
        code = live.handle.poll()
        if code is not None:
            self._bury(live, f"its process ended with code {code}")
        elif time.monotonic() - live.renewed >= RENEW_EVERY_S:
            live.renewed = time.monotonic()
            self._look_after(live)
        else:
            live.glance()

    def _start_process(self, job_id: str, organization: str, **names: str) -> Handle:
        """Start the process of a job in its work folder.

        Args:
            job_id: Id of the job.
            organization: Whose it is.
            names: The id once more, by the name the target knows it by.
        """
        work_folder = self._folder_of(job_id)
        work_folder.mkdir(parents=True, exist_ok=True)
        arguments = {
            "config": self._config.without_secrets(), "organization": organization, "work_folder": work_folder, **names,
        }  # fmt: skip
        return self._executor.start(job_id, self._target, arguments, output=work_folder / "output.log")

    def _idle_folders(self) -> list[str]:
        """Names of what lies where the work folders are and is of no live job."""
        names = [path.name for path in self.folder.iterdir()] if self.folder.exists() else []
        return [name for name in names if name not in self._live]

    def _folder_of(self, job_id: str) -> Path:
        return self.folder / job_id
