"""What forbids archiving or deleting a model, told by the rooms that use models."""

from collections.abc import Callable

from studio.backends.stores import Stores

RemovalCheck = Callable[[Stores, str], None]
_checks: list[RemovalCheck] = []


def refuses_removal(check: RemovalCheck) -> RemovalCheck:
    """Register a check, as a decorator: it takes open stores and the model's id, and raises a Conflict, such as
    ModelDeployed, where the model is in use.
    """
    if check not in _checks:
        _checks.append(check)
    return check


def refuse_removal(stores: Stores, model_id: str) -> None:
    """Raise what the first check raises that finds the model in use."""
    for check in _checks:
        check(stores, model_id)
