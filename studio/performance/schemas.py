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


class RocCurveQuery(EvaluationQuery):
    resolution = fields.Integer(load_default=100, validate=validate.Range(min=2, max=500))
    class_label = fields.String(load_default=None)


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


def _of_split(values: Any, found: Any) -> dict[str, Any]:
    return dict(values.get(found.dataset_split, {}))
