"""A slice of a list."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Page:
    """A slice of a list.

    Attributes:
        total: Length of the whole list.
        page: Which slice, from 1.
        page_size: Longest slice.
        results: The items.
    """

    total: int
    page: int
    page_size: int
    results: Sequence[Any]
