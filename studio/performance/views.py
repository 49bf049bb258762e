"""Routes of scores, matrices and curves."""

from collections.abc import Callable
from typing import Any

from flask_smorest import Blueprint

from studio.evaluation.class_scores import Calibration, Lift, PrCurve, ThresholdCurve
from studio.evaluation.curves import ConfusionMatrix, RocCurve
from studio.evaluation.figures import PlotFormat
from studio.evaluation.reports import ClassificationReport, Residuals
from studio.evaluation.stored import EvaluationSummary
from studio.performance import service
from studio.performance.schemas import (
    CalibrationOut,
    CalibrationQuery,
    ClassificationReportOut,
    ClassificationReportQuery,
    ConfusionMatrixOut,
    ConfusionMatrixQuery,
    CurveQuery,
    EvaluationQuery,
    LiftOut,
    LiftQuery,
    MisclassificationErrorsOut,
    MisclassificationErrorsQuery,
    PerformanceSummaryOut,
    PrCurveOut,
    ResidualsOut,
    ResidualsQuery,
    RocCurveOut,
    SlicesOut,
    SlicesQuery,
    ThresholdsOut,
)
from studio.performance.service import Finding, Mistaken, OfClass, SlicesBy
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
    query=CurveQuery(), returns=RocCurveOut(), renders=drawn(service.make_roc_curve, service.draw_roc_curve),
)  # fmt: skip
def get_roc_curve(ctx: Context, query: dict[str, Any], model_id: str) -> Finding[RocCurve]:
    """Get the ROC curve of a version, as numbers or drawn."""
    return service.make_roc_curve(ctx.stores, model_id, **query)


@endpoint(
    bp, "performance.classification_report", "GET", "/<model_id>/performance/classification-report", needs="model:read",
    query=ClassificationReportQuery(), returns=ClassificationReportOut(),
)  # fmt: skip
def get_classification_report(ctx: Context, query: dict[str, Any], model_id: str) -> Finding[ClassificationReport]:
    """Get the scores of each class of a version."""
    return service.make_classification_report(ctx.stores, model_id, **query)


@endpoint(
    bp, "performance.pr_curve", "GET", "/<model_id>/performance/pr-curve", needs="model:read",
    query=CurveQuery(), returns=PrCurveOut(),
    renders=drawn(service.make_pr_curve, service.draw_pr_curve),
)  # fmt: skip
def get_pr_curve(ctx: Context, query: dict[str, Any], model_id: str) -> Finding[OfClass[PrCurve]]:
    """Get the precision-recall curve of a version, as numbers or drawn."""
    return service.make_pr_curve(ctx.stores, model_id, **query)


@endpoint(
    bp, "performance.residuals", "GET", "/<model_id>/performance/residuals", needs="model:read",
    query=ResidualsQuery(), returns=ResidualsOut(),
    renders=drawn(service.make_residuals, service.draw_residuals),
)  # fmt: skip
def get_residuals(ctx: Context, query: dict[str, Any], model_id: str) -> Finding[Residuals]:
    """Get how far predicted numbers are off, as numbers or drawn."""
    return service.make_residuals(ctx.stores, model_id, **query)


@endpoint(
    bp, "performance.calibration", "GET", "/<model_id>/performance/calibration", needs="model:read",
    query=CalibrationQuery(), returns=CalibrationOut(),
    renders=drawn(service.make_calibration, service.draw_calibration),
)  # fmt: skip
def get_calibration(ctx: Context, query: dict[str, Any], model_id: str) -> Finding[OfClass[Calibration]]:
    """Get how far probabilities can be trusted, as numbers or drawn."""
    return service.make_calibration(ctx.stores, model_id, **query)


@endpoint(
    bp, "performance.lift", "GET", "/<model_id>/performance/lift", needs="model:read",
    query=LiftQuery(), returns=LiftOut(),
    renders=drawn(service.make_lift, service.draw_lift),
)  # fmt: skip
def get_lift(ctx: Context, query: dict[str, Any], model_id: str) -> Finding[OfClass[Lift]]:
    """Get how many positives the likeliest rows hold, as numbers or drawn."""
    return service.make_lift(ctx.stores, model_id, **query)


@endpoint(
    bp, "performance.threshold", "GET", "/<model_id>/performance/threshold", needs="model:read",
    query=CurveQuery(), returns=ThresholdsOut(),
    renders=drawn(service.make_thresholds, service.draw_thresholds),
)  # fmt: skip
def get_thresholds(ctx: Context, query: dict[str, Any], model_id: str) -> Finding[OfClass[ThresholdCurve]]:
    """Get the scores by threshold, as numbers or drawn."""
    return service.make_thresholds(ctx.stores, model_id, **query)


@endpoint(
    bp, "performance.misclassification_errors", "GET", "/<model_id>/performance/misclassification-errors",
    needs="dataset:read and model:read", query=MisclassificationErrorsQuery(), returns=MisclassificationErrorsOut(),
)  # fmt: skip
def list_misclassification_errors(ctx: Context, query: dict[str, Any], model_id: str) -> Finding[Mistaken]:
    """List the rows a version took for another class, the most confident first."""
    return service.list_errors(ctx.stores, model_id, **query)


@endpoint(
    bp, "performance.slices", "GET", "/<model_id>/performance/slices", needs="model:read",
    query=SlicesQuery(), returns=SlicesOut(),
)  # fmt: skip
def get_slices(ctx: Context, query: dict[str, Any], model_id: str) -> Finding[SlicesBy]:
    """Get the scores of a version by the values of a feature."""
    return service.make_slices(ctx.stores, model_id, **query)
