"""Search spaces, and what users may set hyperparameters to, as plain data."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from studio.domain.json_pointers import escape
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
        """Whether it is one of them; true is no 1, though Python says so."""
        return any(isinstance(value, bool) == isinstance(one, bool) and value == one for one in self.options)

    def in_words(self) -> str:
        """What it holds, for a message."""
        return f"one of {', '.join(map(_as_sent, self.options))}"


@dataclass(frozen=True)
class Number:
    """What a user may set a number to, both ends included.

    Attributes:
        above: An end that is itself excluded.
        below: Another.
        is_whole: Whether it has no fraction.
        words: What may stand in its place; None among them allows null.
    """

    low: float = -math.inf
    high: float = math.inf
    above: float = -math.inf
    below: float = math.inf
    is_whole: bool = False
    words: tuple[str | None, ...] = ()

    def holds(self, value: Any) -> bool:
        """Whether a user may set it to the value."""
        if value is None or isinstance(value, str):
            return value in self.words
        if isinstance(value, bool) or not isinstance(value, int if self.is_whole else int | float):
            return False
        return abs(value) < math.inf and self.low <= value <= self.high and self.above < value < self.below

    def in_words(self) -> str:
        """What it holds, for a message."""
        ends = [
            ("from {}", self.low),
            ("above {}", self.above),
            ("to {}" if abs(self.low) < math.inf else "up to {}", self.high),
            ("below {}", self.below),
        ]
        told = [phrase.format(f"{end:.10g}") for phrase, end in ends if abs(end) < math.inf]
        kind = "a whole number" if self.is_whole else "a number"
        return " or ".join([" ".join([kind, *told]), *map(_as_sent, self.words)])


FROM_0: Final = Number(low=0)
ABOVE_0: Final = Number(above=0)
SHARE_ABOVE_0: Final = Number(above=0, high=1)
LARGEST_WHOLE: Final = 2**31 - 1  # boosters hold whole numbers in 32 bits


def whole(low: int, high: int = LARGEST_WHOLE) -> Number:
    """Whole numbers as boosters take them, both ends included."""
    return Number(low=low, high=high, is_whole=True)


@dataclass(frozen=True)
class ListOf:
    """A list of numbers, at least one of them."""

    element: Number

    def holds(self, value: Any) -> bool:
        """Whether a user may set it to the value."""
        return isinstance(value, list | tuple) and bool(value) and all(map(self.element.holds, value))

    def in_words(self) -> str:
        """What it holds, for a message."""
        return f"a list, each element of which is {self.element.in_words()}"


Range = IntRange | FloatRange | Choice
Space = Mapping[str, Range]
Limits = Mapping[str, Range | Number | ListOf]

SHOWN = 60  # characters of a refused value


def _as_sent(option: Any) -> str:
    return option if isinstance(option, str) else json.dumps(option)


def check_limits(family: str, limits: Limits, params: Mapping[str, Any]) -> None:
    """Refuse a value beyond its limits; what has none is passed over.

    Raises:
        BadHyperparameter: It is of the wrong kind, or out of range.
    """
    for name, value in params.items():
        if name in limits and not limits[name].holds(value):
            raise bad_hyperparameter(family, name, f"it must be {limits[name].in_words()}, not {shown(value)}")


def check_shape(family: str, defaults: Mapping[str, Any], params: Mapping[str, Any]) -> None:
    """Refuse what no hyperparameter of an unknown kind can be: not finite, or a list where the default is none.

    Raises:
        BadHyperparameter: It is.
    """
    for name, value in params.items():
        default = defaults.get(name)
        if isinstance(default, bool) and not isinstance(value, bool):
            raise bad_hyperparameter(family, name, f"it must be true or false, not {shown(value)}")
        if isinstance(value, list | dict) and not isinstance(default, list | tuple | dict):
            raise bad_hyperparameter(family, name, f"it must be a single value, not {shown(value)}")
        if isinstance(value, float) and not math.isfinite(value):
            raise bad_hyperparameter(family, name, "it must be a finite number")


def shown(value: Any) -> str:
    """A refused value as it was sent, shortened."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


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
            raise bad_hyperparameter(family, name, f"it must be {kind}, not {shown(value)}")


def bad_hyperparameter(family: str, name: str, reason: str) -> BadHyperparameter:
    """The error that points at one hyperparameter of a configuration."""
    pointer = f"/config/hyperparameters/{escape(name)}"
    return BadHyperparameter(f"{family} does not take {name}: {reason}.", fields=[(pointer, reason)])
