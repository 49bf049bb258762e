"""Search spaces as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from studio.errors import BadHyperparameter


@dataclass(frozen=True)
class IntRange:
    """Whole numbers from ``low`` to ``high``, both included."""

    low: int
    high: int
    log: bool = False

    def holds(self, value: Any) -> bool:
        """Whether the search may come up with the value."""
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high

    def in_words(self) -> str:
        """What it holds, for a message."""
        return f"a whole number from {self.low} to {self.high}"


@dataclass(frozen=True)
class FloatRange:
    """Numbers from ``low`` to ``high``, both included."""

    low: float
    high: float
    log: bool = False

    def holds(self, value: Any) -> bool:
        """Whether the search may come up with the value."""
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and self.low <= value <= self.high

    def in_words(self) -> str:
        """What it holds, for a message."""
        return f"a number from {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Choice:
    """One of a few values: numbers, strings, booleans or None."""

    options: tuple[Any, ...]

    def holds(self, value: Any) -> bool:
        """Whether the search may come up with the value."""
        return value in self.options

    def in_words(self) -> str:
        """What it holds, for a message."""
        return f"one of {', '.join(map(str, self.options))}"


Range = IntRange | FloatRange | Choice
Space = Mapping[str, Range]


def check_number_kinds(family: str, space: Space, params: Mapping[str, Any]) -> None:
    """Refuse a value of the wrong kind for a searched parameter; its size is the user's own affair.

    Raises:
        BadHyperparameter: A text or boolean stands where a number is needed, or a fraction where a whole one
            is.
    """
    for name, value in params.items():
        wanted = space.get(name)
        if isinstance(wanted, Choice) or wanted is None:
            continue
        kinds = int if isinstance(wanted, IntRange) else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds):
            kind = "a whole number" if isinstance(wanted, IntRange) else "a number"
            raise bad_hyperparameter(family, name, f"it must be {kind}, not {value!r}")


def bad_hyperparameter(family: str, name: str, reason: str) -> BadHyperparameter:
    """The error that points at one hyperparameter of a configuration."""
    pointer = "/config/hyperparameters/" + name.replace("~", "~0").replace("/", "~1")
    return BadHyperparameter(f"{family} does not take {name}: {reason}.", fields=[(pointer, reason)])
