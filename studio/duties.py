"""What the worker does: runs, model hosts, and what has to be done every so often."""

import logging
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import psutil

from studio.auth import service as auth
from studio.backends.execution.local_processes import LocalProcesses
from studio.backends.execution.port import Handle
from studio.backends.serving.supervisor import HostSupervisor
from studio.batch_predictions.jobs import BatchDispatcher
from studio.config import Config, child_environment
from studio.datasets.jobs import sweep_incomplete
from studio.db.session import Database
from studio.deployments.jobs import Caretaker, Watch
from studio.domain.actors import system_actor
from studio.models import service as models
from studio.notifications import service as notifications
from studio.notifications.jobs import Postman
from studio.prediction_log.jobs import gather_segments
from studio.preparation import prepare_databases
from studio.runtime import Runtime
from studio.training import service as training
from studio.training.jobs import Dispatcher, purge_deleted, start_due_runs
from studio.training.jobs.plans import threads_per_run
from studio.versions import service as versions
from studio.web.idempotency import forget_old_answers

logger = logging.getLogger(__name__)

PREDICTIONS = "predictions"  # in the data folder: what hosts write down
GATHER_EVERY_S = 30.0
TICK_S = 0.2
BEAT_EVERY_S = 2.0
CLOSING_S = 5.0  # whatever is cut off then is taken up at the next start
HOSTS_WARM_AFTER_S = 20.0  # loading their libraries can wait until the service is up
RUN = "studio.run_process:main"
BATCH = "studio.batch_process:main"
WARM_UP = "studio.run_process:be_ready"


@dataclass
class Duty:
    """Something to be done again and again.

    Attributes:
        every_s: Seconds between two times.
        due_at: When it is next due, in seconds of the monotonic clock.
    """

    name: str
    every_s: float
    do: Callable[[], object]
    due_at: float = field(default=0.0)

    def do_if_due(self) -> None:
        """Do it if it is time; a failure is logged and waits for the next time."""
        if time.monotonic() < self.due_at:
            return
        self.due_at = time.monotonic() + self.every_s
        try:
            self.do()
        except Exception:
            logger.exception("a duty failed", extra={"duty": self.name})


class Worker:
    """Everything one worker does."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._runtime = Runtime(config)
        self._id = f"{socket.gethostname()}:{config.data_folder}"
        self._stop = threading.Event()
        self._warming: Handle | None = None
        environment = child_environment(OMP_WAIT_POLICY="PASSIVE")  # threads that spin slow busy cores down tenfold
        self._run_processes = LocalProcesses(
            environment=environment,
            preload=["studio.run_process", "studio.batch_process"],
            threads=threads_per_run(config),
        )
        self._host_processes = LocalProcesses(
            environment=environment,
            preload=["studio.backends.serving.host", "studio.backends.mlflow.loading"],
            threads=1,
        )
        self._hosts = HostSupervisor(
            self._host_processes, config.runtime_folder, log_folder=config.data_folder / PREDICTIONS,
            max_hosts=config.max_hosts, idle_s=config.host_idle_s,
            max_memory_bytes=config.host_memory_mb << 20 or psutil.virtual_memory().total // 2,
        )  # fmt: skip
        self._dispatcher = Dispatcher(
            self._runtime.database, self._runtime.open_stores, self._run_processes, config,
            worker_id=self._id, clock=self._runtime.clock, target=RUN,
        )  # fmt: skip
        self._batches = BatchDispatcher(
            self._runtime.database, self._runtime.open_stores, self._run_processes, config,
            worker_id=self._id, clock=self._runtime.clock, target=BATCH,
        )  # fmt: skip
        self._postman = Postman(self._runtime.database, config, self._runtime.clock)
        self._duties = self._list_duties()
        self._beside = self._make_duties_beside()

    def _list_duties(self) -> list[Duty]:
        return [
            Duty("runs", TICK_S, self._dispatch),
            Duty("batch predictions", TICK_S, self._predict_batches),
            Duty("schedules", 2.0, self._start_due),
            Duty("run folders", 30.0, self._dispatcher.sweep),
            Duty("batch folders", 30.0, self._batches.sweep),
            Duty("purges", 5.0, self._purge),
            Duty("notifications", 1.0, self._postman.begin_round),
            Duty("uploads", 30.0, self._sweep),
            Duty("leftovers", 300.0, self._forget),
        ]

    def _make_duties_beside(self) -> dict[str, list[Duty]]:
        """In threads of their own: no run waits while large files of MLflow clients' versions are read or logged
        predictions are stored, and no deployment for anything else.
        """
        runtime = self._runtime
        caretaker = Caretaker(runtime.database, runtime.open_stores, self._hosts, runtime.clock)
        watch = Watch(runtime.database, runtime.open_stores, runtime.clock)
        return {
            "registries": [
                Duty("changed registries", 2.0, self._reconcile_changed),
                Duty("registries", 120.0, self._reconcile_all),
            ],
            "prediction log": [Duty("prediction log", GATHER_EVERY_S, self._gather)],
            "deployments": [
                Duty("deployments", 0.5, caretaker.step),
                Duty("limits of deployments", 5.0, watch.step),
                Duty("old counts", 60.0, watch.forget),
            ],
        }

    def work(self) -> None:
        """Work until told to stop; then end every process, so that runs go on at the next start."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        beating = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        beating.start()
        self._hosts.start()
        beside = [
            threading.Thread(target=self._do_beside, args=[duties], name=name, daemon=True)
            for name, duties in self._beside.items()
        ]
        for thread in beside:
            thread.start()
        self._warming = self._run_processes.start("warm-up", WARM_UP, {})
        warm_hosts_at = time.monotonic() + HOSTS_WARM_AFTER_S
        logger.info("worker ready", extra={"worker_id": self._id})
        while not self._stop.wait(TICK_S):
            for duty in self._duties:
                duty.do_if_due()
            if time.monotonic() >= warm_hosts_at:
                warm_hosts_at = float("inf")
                self._host_processes.warm_up()
        self._dispatcher.stop()
        self._batches.stop()
        for thread in beside:
            thread.join(CLOSING_S)
        self._hosts.close()
        self._run_processes.close()
        self._host_processes.close()

    def _beat(self) -> None:
        """Say that the worker is alive, however long a duty takes."""
        while not self._stop.is_set():
            try:
                with self._runtime.database.transaction(write=True) as db:
                    training.beat(db, self._id, now=self._runtime.clock())
            except Exception:
                logger.exception("the heartbeat failed")
            self._stop.wait(BEAT_EVERY_S)

    def _do_beside(self, duties: list[Duty]) -> None:
        while not self._stop.wait(TICK_S):
            for duty in duties:
                duty.do_if_due()

    def _dispatch(self) -> None:
        if self._warming is None or self._warming.poll() is not None:  # loading must not count as running time
            self._warming = None
            self._dispatcher.step()

    def _predict_batches(self) -> None:
        if self._warming is None:
            self._batches.step()

    def _reconcile_changed(self) -> None:
        with self._database.transaction(write=False) as db:
            is_quiet = not versions.has_changes(db)
        if not is_quiet:
            with self._database.transaction(write=True) as db:
                changed = versions.take_changes(db)
            self._reconcile(changed)

    def _reconcile_all(self) -> None:
        """What was noted and lost with a worker, and what was written past the mount."""
        self._reconcile(models.list_organizations(self._database))

    def _reconcile(self, organizations: Iterable[str]) -> None:
        for organization in organizations:
            with self._runtime.open_stores(system_actor(organization), write=False) as stores:
                versions.reconcile(stores, stores.registry.list_entries())

    def _gather(self) -> None:
        gather_segments(self._runtime.open_stores, self._config.data_folder / PREDICTIONS)

    def _purge(self) -> None:
        purge_deleted(self._database, self._runtime.open_stores, self._config.data_folder)

    def _start_due(self) -> None:
        start_due_runs(self._database, self._runtime.open_stores, self._runtime.clock)

    def _sweep(self) -> None:
        sweep_incomplete(self._database, self._runtime.open_stores, self._config.data_folder)

    def _forget(self) -> None:
        with self._runtime.open_stores(system_actor("-"), write=True) as stores:
            auth.forget_expired(stores)
            forget_old_answers(stores)
            notifications.forget_old(stores.db, stores.now())

    @property
    def _database(self) -> Database:
        return self._runtime.database


def work(config: Config) -> None:
    """Be a worker until told to stop."""
    if config.is_embedded:
        prepare_databases(config)
    Worker(config).work()
