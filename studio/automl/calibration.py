"""What is done to a blend's probabilities where the metric needs it: sharpened or softened, or decided on differently.

Both are found on rows that the blended models had not seen, and used only where they help on halves of them that they
were not found on.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studio.evaluation.metrics import direction_of, is_better

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Score = Callable[[FloatArray, IntArray], float | None]

CALIBRATED = frozenset({"log_loss", "brier"})
DECIDED = frozenset({"f1_score", "balanced_accuracy", "mcc"})  # recall and precision alone would decide for the absurd
TEMPERATURES = np.exp(np.linspace(np.log(0.4), np.log(2.5), 41))
EXPONENTS = np.linspace(-0.5, 1.5, 41)
LEAST_ROWS = 100  # fewer say too little
LEAST_PROBABILITY = 1e-12
HALVINGS = 3


@dataclass(frozen=True)
class Calibration:
    """How probabilities are adjusted and decided on.

    Attributes:
        temperature: Probabilities are raised to the power of its inverse: above 1 it softens them.
        scales: What the probability of each class is multiplied by before the largest one decides; None for nothing.
    """

    temperature: float = 1.0
    scales: tuple[float, ...] | None = None

    def adjust(self, outputs: FloatArray) -> FloatArray:
        """Probabilities that sum to 1 per row, of shape (n_rows, n_classes)."""
        if self.temperature != 1.0:
            outputs = np.clip(outputs, LEAST_PROBABILITY, None) ** (1.0 / self.temperature)
        shares: FloatArray = outputs / outputs.sum(axis=1, keepdims=True)
        return shares

    def decide(self, proba: FloatArray) -> IntArray:
        """Class code of each row, of shape (n_rows,)."""
        weighed = proba if self.scales is None else proba * np.array(self.scales)
        codes: IntArray = weighed.argmax(axis=1)
        return codes


def calibrate(outputs: FloatArray, codes: IntArray, score: Score, metric: str, random_state: int) -> Calibration:
    """The calibration that a metric gains by.

    Args:
        outputs: Of shape (n_rows, n_classes), by models that had not seen the rows.
        codes: Class of each row.
        score: The metric of adjusted outputs for some of the rows, given by position.
        metric: Its name.
    """
    if len(codes) < LEAST_ROWS:
        return Calibration()
    if metric in CALIBRATED:
        options = [Calibration(temperature) for temperature in TEMPERATURES.tolist()]
        adjusted = [option.adjust(outputs) for option in options]
    elif metric in DECIDED:
        shares = np.maximum(np.bincount(codes, minlength=outputs.shape[1]), 1) / len(codes)
        options = [Calibration(scales=tuple((shares**-exponent).tolist())) for exponent in EXPONENTS]
        adjusted = [outputs * np.array(option.scales) for option in options]
    else:
        return Calibration()
    found = _best(adjusted, score, metric, np.arange(len(codes)))
    return options[found] if _helps(adjusted, outputs, score, metric, random_state) else Calibration()


def _best(adjusted: list[FloatArray], score: Score, metric: str, rows: IntArray) -> int:
    """Which one scores best, the middle one of those that score alike."""
    scores = [score(values[rows], rows) for values in adjusted]
    top = scores[0]
    for found in scores:
        top = found if is_better(metric, found, top) else top
    alike = [position for position, found in enumerate(scores) if found == top]
    return alike[len(alike) // 2]


def _helps(adjusted: list[FloatArray], outputs: FloatArray, score: Score, metric: str, random_state: int) -> bool:
    rng = np.random.default_rng(random_state)
    sign = 1.0 if direction_of(metric) == "max" else -1.0
    gains: list[float] = []
    for _ in range(HALVINGS):
        halves = np.array_split(rng.permutation(len(outputs)), 2)
        for seen, unseen in (halves, halves[::-1]):
            before = score(outputs[unseen], unseen)
            after = score(adjusted[_best(adjusted, score, metric, seen)][unseen], unseen)
            if before is not None and after is not None:
                gains.append(sign * (after - before))
    return bool(gains) and float(np.mean(gains)) > 0
