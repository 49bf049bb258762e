"""MLflow's errors in our words, and nothing of MLflow's above this package."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    RESOURCE_ALREADY_EXISTS,
    RESOURCE_DOES_NOT_EXIST,
    TEMPORARILY_UNAVAILABLE,
    ErrorCode,
)
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from studio.errors import BackendDown, StudioError

_ABSENT = ErrorCode.Name(RESOURCE_DOES_NOT_EXIST)
_TAKEN = ErrorCode.Name(RESOURCE_ALREADY_EXISTS)
_DOWN = ErrorCode.Name(TEMPORARILY_UNAVAILABLE)


@contextmanager
def translated(
    *,
    absent: Callable[[], StudioError] | None = None,
    taken: Callable[[], StudioError] | None = None,
) -> Iterator[None]:
    """Raise our errors for those of MLflow that are expected here; let every other one through.

    Args:
        absent: Makes the error for a thing that does not exist; None where that would be a fault of ours.
        taken: Makes the error for a name that is in use.
    """
    try:
        yield
    except MlflowException as fault:
        if absent is not None and is_absent(fault):
            raise absent() from fault
        if taken is not None and is_taken(fault):
            raise taken() from fault
        if _is_down(fault):
            raise BackendDown("MLflow's database does not answer.") from fault
        raise
    except (OperationalError, InterfaceError) as fault:
        raise BackendDown("MLflow's database does not answer.") from fault


def is_absent(fault: MlflowException) -> bool:
    """True where MLflow says that the thing asked for does not exist."""
    return bool(fault.error_code == _ABSENT)


def is_taken(fault: MlflowException) -> bool:
    """True where MLflow says that the name is in use."""
    return bool(fault.error_code == _TAKEN)


def _is_down(fault: MlflowException) -> bool:
    """True for a lost or refused connection; MLflow reports some of those as a bad request."""
    cause = fault.__cause__
    lost = isinstance(cause, DBAPIError) and cause.connection_invalidated
    return str(fault.error_code) == _DOWN or lost or isinstance(cause, OperationalError | InterfaceError)
