"""What happens to runs outside requests: in the worker, and in the process of each run."""

from studio.training.jobs.dispatcher import Dispatcher
from studio.training.jobs.purging import purge_deleted
from studio.training.jobs.scheduling import start_due_runs
from studio.training.jobs.training import train_run

__all__ = ["Dispatcher", "purge_deleted", "start_due_runs", "train_run"]
