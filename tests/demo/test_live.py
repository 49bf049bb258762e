"""The demo's live view of a training, from the messages of its stream."""

import io

import pytest
from rich.console import Console

from studio.demo.live import Training


def trial(number, score, *, best, reason=None, state="complete"):
    return {
        "type": "trial", "number": number, "algorithm": f"family_{number}", "params": {}, "score": score,
        "best_score": best, "state": state, "duration_seconds": 1.5, "reason": reason,
        "fold_scores": [] if score is None else [score - 0.01, None, score + 0.01],
        "latency_ms": 3.25, "size_mb": None,
    }  # fmt: skip


def shown(training):
    console = Console(file=io.StringIO(), width=120)
    console.print(training.render())
    return console.file.getvalue()


def test_before_the_first_message_there_is_a_view():
    assert "queued" in shown(Training())


@pytest.mark.parametrize(("scores", "order"), [([0.7, 0.9, 0.8], [1, 2, 0]), ([9.0, 7.0, 8.0], [1, 2, 0])])
def test_the_trials_that_lead_come_first_whichever_way_is_better(scores, order):
    training = Training()
    is_max = max(scores) < 1
    for number, score in enumerate(scores):
        seen = scores[: number + 1]
        training.take(trial(number, score, best=max(seen) if is_max else min(seen)))
    assert [one["number"] for one in training.leaders()] == order
    first = f"{scores[order[0]]:.5f}"
    assert first in shown(training)


def test_why_a_candidate_was_dropped_is_shown():
    training = Training()
    training.take(trial(0, 0.9, best=0.9))
    training.take(trial(1, None, best=0.9, reason="it ran out of memory", state="failed"))
    training.take(trial(2, 0.95, best=0.95, reason="it cannot win: 30 ms per prediction, 5 are allowed"))
    assert [one["number"] for one in training.leaders()] == [0]
    assert "trial 2 family_2: it cannot win: 30 ms per prediction, 5 are allowed" in shown(training)
