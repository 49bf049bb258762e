"""What can be asked of a run's messages: curves, log and details, and following them live."""

from studio.training_metrics.service.downloads import LogFile, download_log
from studio.training_metrics.service.explanations import (
    FeatureImportance,
    Hyperparameters,
    read_hyperparameters,
    read_importance,
)
from studio.training_metrics.service.feeds import RunFeed, follow_run
from studio.training_metrics.service.figures import Curves, Log, read_curves, read_details, read_log
from studio.training_metrics.service.following import RunHub, shared_hub
from studio.training_metrics.service.tickets import StreamTicket, create_ticket

__all__ = [
    "Curves",
    "FeatureImportance",
    "Hyperparameters",
    "Log",
    "LogFile",
    "RunFeed",
    "RunHub",
    "StreamTicket",
    "create_ticket",
    "download_log",
    "follow_run",
    "read_curves",
    "read_details",
    "read_hyperparameters",
    "read_importance",
    "read_log",
    "shared_hub",
]
