"""Routes of scores, matrices and curves."""

from collections.abc import Callable
from typing import Any

from flask_smorest import Blueprint

from studio.evaluation.curves import ConfusionMatrix, RocCurve
from studio.evaluation.figures import PlotFormat
from studio.evaluation.stored import EvaluationSummary
from studio.performance import service
from studio.performance.schemas import (
    ConfusionMatrixOut,
    ConfusionMatrixQuery,
    EvaluationQuery,
    PerformanceSummaryOut,
    RocCurveOut,
    RocCurveQuery,
)
from studio.performance.service import Finding
from studio.web.context import Context
from studio.web.endpoint import endpoint

bp = Blueprint("performance", __name__, url_prefix="/api/v1/models")

PLOT_FORMATS: dict[str, PlotFormat] = {"image/svg+xml": "svg", "image/png": "png"}


def drawn(
    find: Callable[..., Finding[Any]], draw: Callable[[Finding[Any], PlotFormat], bytes]
) -> dict[str, Callable[..., bytes]]:
    """The drawings an operation answers beside its numbers, by media type."""

    def render_as(fmt: PlotFormat) -> Callable[..., bytes]:
        return lambda ctx, query, model_id: draw(find(ctx.stores, model_id, **query), fmt)

    return {media_type: render_as(fmt) for media_type, fmt in PLOT_FORMATS.items()}


@endpoint(
    bp, "performance.summary", "GET", "/<model_id>/performance/summary", needs="model:read or organization:viewer",
    query=EvaluationQuery(), returns=PerformanceSummaryOut(),
)  # fmt: skip
def get_summary(ctx: Context, query: dict[str, Any], model_id: str) -> Finding[EvaluationSummary]:
    """Get the scores of a version."""
    return service.summarize(ctx.stores, model_id, **query)


@endpoint(
    bp, "performance.confusion_matrix", "GET", "/<model_id>/performance/confusion-matrix", needs="model:read",
    query=ConfusionMatrixQuery(), returns=ConfusionMatrixOut(),
    renders=drawn(service.make_confusion_matrix, service.draw_confusion_matrix),
)  # fmt: skip
def get_confusion_matrix(ctx: Context, query: dict[str, Any], model_id: str) -> Finding[ConfusionMatrix]:
    """Get the confusion matrix of a version, as numbers or drawn."""
    return service.make_confusion_matrix(ctx.stores, model_id, **query)


@endpoint(
    bp, "performance.roc_curve", "GET", "/<model_id>/performance/roc-curve", needs="model:read",
    query=RocCurveQuery(), returns=RocCurveOut(), renders=drawn(service.make_roc_curve, service.draw_roc_curve),
)  # fmt: skip
def get_roc_curve(ctx: Context, query: dict[str, Any], model_id: str) -> Finding[RocCurve]:
    """Get the ROC curve of a version, as numbers or drawn."""
    return service.make_roc_curve(ctx.stores, model_id, **query)
