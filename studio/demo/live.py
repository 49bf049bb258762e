"""Follows a training over its WebSocket, and shows it while it goes on."""

import json
from collections import deque
from collections.abc import Iterator
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

TERMINAL = ("completed", "failed", "cancelled")
LOG_LINES = 6
LEADERS = 5  # trials on the board
RECONNECTS = 20


class Training:
    """What is known of a run so far, from its messages alone."""

    def __init__(self) -> None:
        self.progress: dict[str, Any] = {}
        self.trials = 0
        self.best: float | None = None
        self.best_algorithm = ""
        self.scores: dict[str, list[float]] = {}
        self.finished: list[dict[str, Any]] = []
        self.dropped: dict[str, Any] = {}
        self.logs: deque[str] = deque(maxlen=LOG_LINES)
        self.end: dict[str, Any] = {}

    def take(self, message: dict[str, Any]) -> None:
        """Learn from one message."""
        kind = message["type"]
        if kind == "progress":
            self.progress = message
        elif kind == "trial":
            self.trials += 1
            scores = self.scores.setdefault(message["algorithm"], [])
            scores.extend([message["score"]] if message["score"] is not None else [])
            if message["score"] is None or message["reason"]:
                self.dropped = message
            else:
                self.finished.append(message)
            if message["best_score"] is not None and message["best_score"] != self.best:
                self.best, self.best_algorithm = message["best_score"], message["algorithm"]
        elif kind == "log":
            self.logs.append(f"{message['level']:<7} {message['message']}")
        elif kind in TERMINAL:
            self.end = message

    def candidates(self) -> list[tuple[str, int, float]]:
        """Every algorithm that finished a trial, with how many and its best score, the best first."""
        known = [score for scores in self.scores.values() for score in scores]
        more_is_better = self.best is None or self.best >= max(known)
        best_of = max if more_is_better else min
        found = [(name, len(scores), best_of(scores)) for name, scores in self.scores.items() if scores]
        return sorted(found, key=lambda one: one[2], reverse=more_is_better)

    def leaders(self) -> list[dict[str, Any]]:
        """The trials that lead, the best first."""
        scores = [trial["score"] for trial in self.finished]
        more_is_better = self.best is None or not scores or self.best >= max(scores)
        return sorted(self.finished, key=lambda trial: trial["score"], reverse=more_is_better)[:LEADERS]

    def leaderboard(self) -> Table:
        """The trials that lead, with the spread of their folds, and what it costs to serve them."""
        board = Table("trial", "algorithm", "score", "folds", "ms a row", "MB", "s", box=None, padding=(0, 2))
        for trial in self.leaders():
            folds = [score for score in trial["fold_scores"] if score is not None]
            spread = f"{min(folds):.4f} to {max(folds):.4f}" if len(folds) > 1 else ""
            costs = ("" if trial[name] is None else f"{trial[name]:.2f}" for name in ("latency_ms", "size_mb"))
            board.add_row(
                str(trial["number"]), trial["algorithm"], f"{trial['score']:.5f}", spread, *costs,
                f"{trial['duration_seconds']:.1f}",
            )  # fmt: skip
        return board

    def render(self) -> Group:
        """The live view."""
        share = float(self.progress.get("progress", 0.0))
        eta = self.progress.get("eta_seconds")
        facts = Table.grid(padding=(0, 2))
        facts.add_row("phase", str(self.progress.get("phase", "queued")))
        facts.add_row("trials", str(self.trials))
        facts.add_row("best score", "-" if self.best is None else f"{self.best:.5f}  ({self.best_algorithm})")
        facts.add_row("time left", "-" if eta is None else f"about {eta:.0f} s")
        bar = Table.grid(padding=(0, 1))
        bar.add_row(ProgressBar(total=1.0, completed=share, width=48), f"{share:.0%}")
        if self.dropped:
            given_up = f"trial {self.dropped['number']} {self.dropped['algorithm']}: {self.dropped['reason']}"
            facts.add_row("last dropped", Text(given_up, overflow="ellipsis", no_wrap=True))
        return Group(
            bar,
            facts,
            self.leaderboard(),
            *[Text(line, style="dim", overflow="ellipsis", no_wrap=True) for line in self.logs],
        )


def follow_training(console: Console, address: str, token: str, model_id: str, run_id: str) -> Training:
    """Show a run until it ends; returns all that its messages told."""
    url = f"{address.replace('http', 'ws', 1)}/api/v1/models/{model_id}/training-metrics/stream?run_id={run_id}"
    training = Training()
    if console.is_terminal:
        with Live(training.render(), console=console, refresh_per_second=8) as live:
            for message in messages_of(url, token):
                training.take(message)
                live.update(training.render())
    else:
        for message in messages_of(url, token):
            training.take(message)
            if message["type"] in ("progress", "trial", *TERMINAL):
                console.print(_line(message), soft_wrap=True, highlight=False)
    return training


def messages_of(url: str, token: str) -> Iterator[dict[str, Any]]:
    """Every message of a run in order; a broken connection is taken up where it broke."""
    after = 0
    for _ in range(RECONNECTS):
        try:
            with connect(
                f"{url}&after={after}", additional_headers={"Authorization": f"Bearer {token}"}, proxy=None
            ) as socket:
                for raw in socket:
                    message = json.loads(raw)
                    after = message.get("seq", after)
                    if message["type"] != "ping":
                        yield message
                    if message["type"] in TERMINAL:
                        return
        except (ConnectionClosed, OSError):
            continue


def _line(message: dict[str, Any]) -> str:
    if message["type"] == "progress":
        return f"   {message['progress']:>4.0%}  {message['phase']}: {message['message']}"
    if message["type"] == "trial":
        best = "-" if message["best_score"] is None else f"{message['best_score']:.5f}"
        reason = f" ({message['reason']})" if message["reason"] else ""
        return f"         trial {message['number']} {message['algorithm']} {message['state']}{reason}, best {best}"
    return f"         {message['type']}"
