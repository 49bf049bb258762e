"""What forbids deleting a version, told by the rooms that use versions."""

from collections.abc import Callable

from studio.backends.stores import Stores

UseCheck = Callable[[Stores, str, int], None]
_checks: list[UseCheck] = []


def refuses_deletion(check: UseCheck) -> UseCheck:
    """Register a check, as a decorator: it takes open stores, the model's id and the version's number, and raises
    a Conflict, such as VersionDeployed, where the version is in use.
    """
    if check not in _checks:
        _checks.append(check)
    return check


def refuse_in_use(stores: Stores, model_id: str, number: int) -> None:
    """Raise what the first check raises that finds the version in use."""
    for check in _checks:
        check(stores, model_id, number)
