"""What has to end before a model in training can be deleted, told by the rooms that have it going on."""

from collections.abc import Callable

from studio.backends.stores import Stores

EndWork = Callable[[Stores, str], None]
_ends: list[EndWork] = []


def ends_before_deletion(end: EndWork) -> EndWork:
    """Register what ends a model's work, as a decorator: it takes open stores and the model's id, and is safe to
    repeat.
    """
    if end not in _ends:
        _ends.append(end)
    return end


def end_work(stores: Stores, model_id: str) -> None:
    """End whatever a model has going on, in the transaction that deletes it."""
    for end in _ends:
        end(stores, model_id)
