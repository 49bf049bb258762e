"""What can be said of a version's quality."""

from studio.performance.service.answers import (
    Finding,
    draw_confusion_matrix,
    draw_roc_curve,
    make_confusion_matrix,
    make_roc_curve,
    summarize,
)

__all__ = [
    "Finding",
    "draw_confusion_matrix",
    "draw_roc_curve",
    "make_confusion_matrix",
    "make_roc_curve",
    "summarize",
]
