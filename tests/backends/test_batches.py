"""Requests go together only where that changes nobody's answer."""

from collections import deque

import pytest

from studio.backends.serving.batches import MAX_BATCH_ROWS, MAX_SHARED_ROWS, Waiting, shape_of, take_batch


def waiting(*requests: list[dict]) -> deque[Waiting]:
    return deque(Waiting(str(number).encode(), rows, 0.0, shape_of(rows)) for number, rows in enumerate(requests))


def senders(batch: list[Waiting]) -> list[str]:
    return [request.sender.decode() for request in batch]


def test_requests_of_one_shape_go_together_and_the_others_keep_their_order() -> None:
    queue = waiting([{"x": 1}], [{"x": "a"}], [{"x": 2.5}, {"x": 3}], [{"x": "b"}], [{"y": 1}])
    assert senders(take_batch(queue)) == ["0", "2"]
    assert senders(take_batch(queue)) == ["1", "3"]
    assert senders(take_batch(queue)) == ["4"]
    assert not queue


@pytest.mark.parametrize(
    ("one", "other"), [({"x": 1}, {"x": True}), ({"x": 1}, {"x": None}), ({"x": 1}, {"x": 1, "y": 1})]
)
def test_kinds_and_columns_that_differ_stay_apart(one: dict, other: dict) -> None:
    assert senders(take_batch(waiting([one], [other]))) == ["0"]


def test_a_batch_has_a_limit() -> None:
    rows = [{"x": 1}] * MAX_SHARED_ROWS
    fitting = MAX_BATCH_ROWS // MAX_SHARED_ROWS
    queue = waiting(*[rows] * (fitting + 2))
    assert len(take_batch(queue)) == fitting
    assert len(queue) == 2


def test_large_requests_go_alone() -> None:
    rows = [{"x": 1}] * (MAX_SHARED_ROWS + 1)
    assert senders(take_batch(waiting(rows, rows))) == ["0"]
