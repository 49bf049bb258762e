"""JSON of scores, matrices and curves."""

from typing import Any

from marshmallow import Schema, fields, validate

from studio.evaluation.stored import SPLITS
from studio.web.fields import Time, choice
from studio.web.paging import QuerySchema


class Cell(fields.Float):
    """A count, which stays a whole number, or a share."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return value


class EvaluationQuery(QuerySchema):
    version_id = fields.String(load_default=None)
    dataset_split = choice(SPLITS, load_default="test")


class ConfusionMatrixQuery(EvaluationQuery):
    normalize = fields.Boolean(load_default=False)


class CurveQuery(EvaluationQuery):
    resolution = fields.Integer(load_default=100, validate=validate.Range(min=2, max=500))
    class_label = fields.String(load_default=None)


class ClassificationReportQuery(EvaluationQuery):
    average = choice(("micro", "macro", "weighted"), load_default="weighted")


class ResidualsQuery(EvaluationQuery):
    limit = fields.Integer(load_default=500, validate=validate.Range(min=1, max=5000))


class CalibrationQuery(EvaluationQuery):
    bins = fields.Integer(load_default=10, validate=validate.Range(min=2, max=50))
    class_label = fields.String(load_default=None)


class LiftQuery(EvaluationQuery):
    bins = fields.Integer(load_default=10, validate=validate.Range(min=2, max=100))
    class_label = fields.String(load_default=None)


class MisclassificationErrorsQuery(EvaluationQuery):
    limit = fields.Integer(load_default=50, validate=validate.Range(min=1, max=500))
    true_label = fields.String(load_default=None)
    predicted_label = fields.String(load_default=None)
    min_confidence = fields.Float(load_default=None, validate=validate.Range(min=0, max=1))


class SlicesQuery(EvaluationQuery):
    by = fields.String(required=True)
    max_slices = fields.Integer(load_default=20, validate=validate.Range(min=1, max=100))


class EvaluationOut(Schema):
    model_id = fields.String(required=True)
    version_id = fields.String(required=True)
    dataset_split = fields.String(required=True)
    sample_count = fields.Integer(required=True)


class PerformanceSummaryOut(EvaluationOut):
    task_type = fields.String(required=True, attribute="result.task")
    primary_metric = fields.String(required=True, attribute="result.primary_metric")
    metrics = fields.Function(lambda found: _of_split(found.result.metrics, found), required=True)
    confidence_intervals = fields.Function(lambda found: _of_split(found.result.intervals, found), required=True)
    computed_at = Time(required=True, attribute="result.computed_at")


class BinaryCountsOut(Schema):
    true_positive = fields.Integer(required=True)
    false_positive = fields.Integer(required=True)
    false_negative = fields.Integer(required=True)
    true_negative = fields.Integer(required=True)
    positive_label = fields.String(required=True)


class ConfusionMatrixOut(EvaluationOut):
    labels = fields.List(fields.String(), required=True, attribute="result.labels")
    matrix = fields.List(fields.List(Cell()), required=True, attribute="result.matrix")
    normalize = fields.Boolean(required=True, attribute="result.normalize")
    binary = fields.Nested(BinaryCountsOut, attribute="result.binary")

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        """Leave ``binary`` out for more than two classes."""
        value = super().get_attribute(obj, attr, default)
        return default if attr == "result.binary" and value is None else value


class RocPointOut(Schema):
    threshold = fields.Float(required=True, allow_none=True)
    fpr = fields.Float(required=True)
    tpr = fields.Float(required=True)


class RocCurveOut(EvaluationOut):
    class_label = fields.String(required=True, allow_none=True, attribute="result.class_label")
    average = fields.String(required=True, allow_none=True, attribute="result.average")
    points = fields.List(fields.Nested(RocPointOut), required=True, attribute="result.points")
    roc_auc = fields.Float(required=True, attribute="result.roc_auc")


class ClassScoresOut(Schema):
    label = fields.String(required=True)
    precision = fields.Float(required=True)
    recall = fields.Float(required=True)
    f1_score = fields.Float(required=True)
    support = fields.Integer(required=True)


class OverallScoresOut(Schema):
    average = fields.String(required=True)
    precision = fields.Float(required=True)
    recall = fields.Float(required=True)
    f1_score = fields.Float(required=True)
    support = fields.Integer(required=True)


class ClassificationReportOut(EvaluationOut):
    classes = fields.List(fields.Nested(ClassScoresOut), required=True, attribute="result.classes")
    overall = fields.Nested(OverallScoresOut, required=True, attribute="result.overall")
    accuracy = fields.Float(required=True, attribute="result.accuracy")


class PrPointOut(Schema):
    threshold = fields.Float(required=True, allow_none=True)
    precision = fields.Float(required=True)
    recall = fields.Float(required=True)


class PrCurveOut(EvaluationOut):
    class_label = fields.String(required=True, attribute="result.class_label")
    points = fields.List(fields.Nested(PrPointOut), required=True, attribute="result.result.points")
    average_precision = fields.Float(required=True, attribute="result.result.average_precision")


class ResidualPointOut(Schema):
    true_value = fields.Float(required=True)
    predicted_value = fields.Float(required=True)
    residual = fields.Float(required=True)
    timestamp = Time()

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        """Only the points of a time series have a ``timestamp``."""
        value = super().get_attribute(obj, attr, default)
        return default if attr == "timestamp" and value is None else value


class ResidualHistogramOut(Schema):
    edges = fields.List(fields.Float(), required=True)
    counts = fields.List(fields.Integer(), required=True)


class ResidualsOut(EvaluationOut):
    points = fields.List(fields.Nested(ResidualPointOut), required=True, attribute="result.points")
    mean = fields.Float(required=True, attribute="result.mean")
    std = fields.Float(required=True, attribute="result.std")
    histogram = fields.Nested(ResidualHistogramOut, required=True, attribute="result.histogram")


class CalibrationBinOut(Schema):
    lower = fields.Float(required=True)
    upper = fields.Float(required=True)
    count = fields.Integer(required=True)
    mean_predicted = fields.Float(required=True)
    observed_rate = fields.Float(required=True)


class CalibrationOut(EvaluationOut):
    class_label = fields.String(required=True, attribute="result.class_label")
    bins = fields.List(fields.Nested(CalibrationBinOut), required=True, attribute="result.result.bins")
    brier = fields.Float(required=True, attribute="result.result.brier")
    expected_calibration_error = fields.Float(required=True, attribute="result.result.expected_calibration_error")


class LiftPointOut(Schema):
    fraction = fields.Float(required=True)
    gain = fields.Float(required=True)
    lift = fields.Float(required=True)


class LiftOut(EvaluationOut):
    class_label = fields.String(required=True, attribute="result.class_label")
    points = fields.List(fields.Nested(LiftPointOut), required=True, attribute="result.result.points")


class ThresholdPointOut(Schema):
    threshold = fields.Float(required=True)
    precision = fields.Float(required=True)
    recall = fields.Float(required=True)
    f1_score = fields.Float(required=True)
    accuracy = fields.Float(required=True)
    positive_rate = fields.Float(required=True)


class BestThresholdOut(Schema):
    metric = fields.String(required=True)
    threshold = fields.Float(required=True)
    value = fields.Float(required=True)


class ThresholdsOut(EvaluationOut):
    class_label = fields.String(required=True, attribute="result.class_label")
    points = fields.List(fields.Nested(ThresholdPointOut), required=True, attribute="result.result.points")
    best = fields.Nested(BestThresholdOut, required=True, attribute="result.result.best")


class MisclassificationOut(Schema):
    row_index = fields.Integer(required=True)
    true_label = fields.String(required=True)
    predicted_label = fields.String(required=True)
    confidence = fields.Float(required=True, allow_none=True)
    features = fields.Dict(keys=fields.String(), required=True)


class MisclassificationErrorsOut(EvaluationOut):
    total_errors = fields.Integer(required=True, attribute="result.total_errors")
    error_rate = fields.Float(required=True, attribute="result.error_rate")
    results = fields.List(fields.Nested(MisclassificationOut), required=True, attribute="result.results")


class SliceOut(Schema):
    value = fields.String(required=True, allow_none=True)
    count = fields.Integer(required=True)
    metrics = fields.Dict(keys=fields.String(), values=fields.Float(allow_none=True), required=True)


class SlicesOut(EvaluationOut):
    by = fields.String(required=True, attribute="result.by")
    slices = fields.List(fields.Nested(SliceOut), required=True, attribute="result.slices")


def _of_split(values: Any, found: Any) -> dict[str, Any]:
    return dict(values.get(found.dataset_split, {}))
