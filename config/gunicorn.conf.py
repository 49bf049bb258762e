"""The API under gunicorn: ``studio api``, or ``gunicorn -c config/gunicorn.conf.py wsgi:app``.

What may vary comes from the settings (``config/default.toml``); here stands how gunicorn is used.
"""

import gc
import logging
import os
import resource
import shutil
import sys
from pathlib import Path

from studio.backends.execution.parent_death import die_with_parent
from studio.process import begin, metrics_folder
from studio.web.server import DrainingWorker, JsonLogger
from studio.web.sockets import close_all_sockets, close_sockets_on_sigterm, wait_for_closed_sockets

gc.disable()  # until all is loaded: looking for garbage among imports takes a fifth of the start
settings = begin("api")
if "wsgi" not in sys.modules:  # at the start, not when the settings are read again: figures of an earlier life go
    shutil.rmtree(metrics_folder(settings))
    metrics_folder(settings)

pythonpath = str(Path(__file__).resolve().parent.parent)  # where wsgi.py is, whatever folder this is started in
bind = f"[{settings.host}]:{settings.port}" if ":" in settings.host else f"{settings.host}:{settings.port}"
preload_app = True  # importing MLflow takes seconds: once, before the fork
worker_class = DrainingWorker
workers = settings.api_workers
threads = settings.api_threads
worker_connections = max(1000, 4 * settings.api_threads)
keepalive = 30
timeout = 120  # for a worker that shows no sign of life at all; long calls do not count
graceful_timeout = 10
control_socket_disable = True  # else every start writes one to the home folder
logger_class = JsonLogger
SWITCH_S = 0.001  # a short call waits that long, not 5 ms, for one that computes
loglevel = settings.log_level
# `forwarded_allow_ips` stays gunicorn's own: loopback, or what FORWARDED_ALLOW_IPS names.


_, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))  # each socket is an open file


def on_starting(server):
    """In the master, once the application is loaded and before anything listens."""
    from studio.preparation import prepare_databases  # imports MLflow: the application has

    if settings.is_embedded:
        prepare_databases(settings)


def when_ready(server):
    """In the master, before the first fork: what is loaded stays out of the garbage collector's rounds, which
    would copy the pages shared with the workers."""
    gc.freeze()
    gc.enable()


def post_fork(server, worker):
    """In each new worker: it must not outlive the master, nor share its connections."""
    die_with_parent(server.pid)
    server.app.wsgi().extensions["studio_runtime"].after_fork()


def post_worker_init(worker):
    """In each worker, when gunicorn's own signal handlers stand."""
    close_sockets_on_sigterm()
    sys.setswitchinterval(SWITCH_S)


def worker_int(worker):
    """In a worker that is to end at once: its sockets are told."""
    close_all_sockets()


def worker_exit(server, worker):
    """In a worker, when its calls are answered: end without taking the interpreter down, which frees what MLflow
    loaded object by object and so copies the master's memory for seconds."""
    # One that failed at its start must tell so by its exit code; the master calls this too, for a worker it lost.
    if worker.booted and worker.pid == os.getpid():
        close_all_sockets()
        wait_for_closed_sockets()
        logging.shutdown()
        os._exit(0)


def child_exit(server, worker):
    """In the master: the gauges of a worker that ended no longer count."""
    from prometheus_client import multiprocess  # looks at the environment while it is imported

    multiprocess.mark_process_dead(worker.pid)
