"""What the worker does for deployments."""

from studio.deployments.jobs.caretaker import Caretaker
from studio.deployments.jobs.watch import Watch

__all__ = ["Caretaker", "Watch"]
