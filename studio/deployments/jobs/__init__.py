"""What the worker does for deployments."""

from studio.deployments.jobs.caretaker import Caretaker

__all__ = ["Caretaker"]
