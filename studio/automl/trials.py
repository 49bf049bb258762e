"""What is known of a trial, and what keeps it over restarts."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from studio.automl.result import Footprint, TrialState


@dataclass(frozen=True)
class Started:
    """A trial that began; ``params`` are the searched values alone."""

    number: int
    family: str
    origin: str
    params: Mapping[str, Any]


@dataclass
class TrialFacts:
    """What is kept of a trial besides score and state."""

    duration_s: float = 0.0
    started_at: str = ""
    message: str = ""
    learned: Mapping[str, Any] = field(default_factory=dict)
    fit_s: float = 0.0
    predict_s: float = 0.0
    latency_ms: float | None = None
    size_mb: float | None = None
    fold_scores: Sequence[float | None] = ()

    @property
    def footprint(self) -> Footprint:
        """Of a model it was fitted to; nothing where none was measured."""
        return Footprint(self.latency_ms, self.size_mb)

    def as_dict(self) -> dict[str, Any]:
        """For a journal."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> "TrialFacts":
        """From a journal."""
        return cls(**found)


@dataclass(frozen=True)
class PastTrial:
    """A trial that ended, in this process or an earlier one."""

    started: Started
    state: TrialState
    score: float | None
    facts: TrialFacts

    @property
    def number(self) -> int:
        """From 0 over all families."""
        return self.started.number


class TrialStore(Protocol):
    """Where trials are kept, and what proposes the next values."""

    is_pruning: bool

    def recover(self) -> list[PastTrial]:
        """Trials of an earlier process."""

    def start(self, name: str, number: int, origin: str, params: Mapping[str, Any] | None) -> Started:
        """Begin a trial."""

    def resume(self) -> Started | None:
        """Begin a trial of an earlier process that was cut off anew; None where there is none."""

    def report(self, number: int, step: int, score: float) -> bool:
        """Whether a trial may go on."""

    def end(self, number: int, state: TrialState, score: float | None, facts: TrialFacts) -> None:
        """Note how a trial ended."""
