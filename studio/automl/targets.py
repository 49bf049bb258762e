"""Targets with a long tail are learned as logarithms too, by any family; validation decides which is better."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from studio.automl.spaces import Choice, FloatRange, Space

FloatArray = npt.NDArray[np.float64]

TRANSFORM = "target_transform"
FACTOR = "target_factor"  # what early fits found; see LogTarget
LOG_OR_NOT = Choice(("none", "log"))
FACTORS = FloatRange(0.5, 3.0)
OPTIONS: Space = {TRANSFORM: LOG_OR_NOT, FACTOR: FACTORS}
LONG_TAIL = 1.0  # skewness from which on logarithms are tried
SMALL_SHARE = 0.01  # of the targets above 0 that lie below the unit of the logarithm


def fit_options(task: str, y: npt.NDArray[Any]) -> dict[str, Choice]:
    """What may be varied of every family's fits for such a target; nothing for most."""
    if task != "regression" or y.min() < 0:
        return {}
    tail = _skewness(y)
    if tail < LONG_TAIL or abs(_skewness(LogTarget.of(y).forward(y))) > tail:
        return {}
    return {TRANSFORM: LOG_OR_NOT}


def split_options(params: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A configuration's own hyperparameters, and the options of its fits."""
    own = {name: value for name, value in params.items() if name not in OPTIONS}
    return own, {name: value for name, value in params.items() if name in OPTIONS}


@dataclass(frozen=True)
class LogTarget:
    """Numbers from 0 on as logarithms and back.

    Attributes:
        unit: Numbers far below it are hardly compressed, those above it by their ratio to it.
        top: Largest logarithm that is turned back: a little more than the training rows'.
        factor: What numbers are multiplied by on the way back, as the mean of numbers is more than the number of
            their mean logarithm.
    """

    unit: float
    top: float
    factor: float = 1.0

    @classmethod
    def of(cls, y: FloatArray) -> "LogTarget":
        """Fitted to training rows, at least one of them above 0."""
        unit = float(np.quantile(y[y > 0], SMALL_SHARE))
        return cls(unit, float(np.log1p(y.max() / unit)) + 0.5)

    def forward(self, y: FloatArray) -> FloatArray:
        """Logarithms of shape (n_rows,)."""
        logs: FloatArray = np.log1p(y / self.unit)
        return logs

    def backward(self, logs: FloatArray) -> FloatArray:
        """Numbers of shape (n_rows,)."""
        numbers: FloatArray = self.factor * self.unit * np.expm1(np.clip(logs, 0.0, self.top))
        return numbers

    def best_factor(self, y: FloatArray, logs: FloatArray) -> float:
        """The factor with the least squared error on rows that were held out."""
        plain = self.backward(logs) / self.factor
        power = float(plain @ plain)
        return float(np.clip((y @ plain) / power, FACTORS.low, FACTORS.high)) if power > 0 else 1.0


def _skewness(y: FloatArray) -> float:
    spread = y.std()
    return float((((y - y.mean()) / spread) ** 3).mean()) if spread > 0 else 0.0
