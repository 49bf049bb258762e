"""JSON of curves, logs, details and tickets."""

from typing import Any, ClassVar

from marshmallow import Schema, fields, post_dump, validate

from studio.domain.runs import LogLevel
from studio.web.fields import Time, choice
from studio.web.paging import QuerySchema

PLACE = validate.Range(min=0, max=10**9)


class RunQuery(QuerySchema):
    run_id = fields.String(load_default=None)


class CurvesQuery(RunQuery):
    metric = fields.String(load_default=None)
    resolution = fields.Integer(load_default=50, validate=validate.Range(min=2, max=1000))


class LogQuery(RunQuery):
    level = choice(LogLevel, load_default=str(LogLevel.INFO))
    limit = fields.Integer(load_default=500, validate=validate.Range(min=1, max=5000))
    offset = fields.Integer(load_default=0, validate=PLACE)
    tail = fields.Boolean(load_default=False)


class DownloadQuery(RunQuery):
    format = choice(("txt", "json"), load_default=None)  # None: what Accept prefers, else txt


class SubjectQuery(RunQuery):
    version_id = fields.String(load_default=None)


class ImportanceQuery(SubjectQuery):
    top_n = fields.Integer(load_default=None, validate=validate.Range(min=1, max=1000))
    method = choice(("gain", "split", "shap"), load_default="gain")


class StreamQuery(RunQuery):
    after = fields.Integer(load_default=0, validate=PLACE)
    ticket = fields.String(load_default=None)


class OfRun(Schema):
    model_id = fields.String(required=True, attribute="run.model_id")
    run_id = fields.String(required=True, attribute="run.run_id")


class TrainingMetricsOut(OfRun):
    status = fields.String(required=True, attribute="run.status")
    metrics = fields.Dict(keys=fields.String(), values=fields.List(fields.Float(allow_none=True)), required=True)
    epochs_completed = fields.Integer(required=True)
    total_epochs = fields.Integer(required=True)


class CandidateOut(Schema):
    algorithm = fields.String(required=True)
    score = fields.Float(required=True, allow_none=True)
    number = fields.Integer(required=True, allow_none=True)
    state = fields.String(required=True, allow_none=True)
    latency_ms = fields.Float(required=True, allow_none=True)
    size_mb = fields.Float(required=True, allow_none=True)
    reason = fields.String(required=True, allow_none=True)
    is_pareto_optimal = fields.Boolean(required=True, allow_none=True)


class HyperparametersOut(OfRun):
    algorithm_selected = fields.String(required=True)
    hyperparameters = fields.Dict(required=True)
    automl_candidates = fields.List(fields.Nested(CandidateOut), required=True)


class FeatureShareOut(Schema):
    """``by_class`` comes with SHAP values of more than two classes alone."""

    feature = fields.String(required=True)
    importance = fields.Float(required=True)
    rank = fields.Integer(required=True)
    by_class = fields.Dict(keys=fields.String(), values=fields.Float())

    @post_dump
    def leave_out(self, told: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Where there is nothing by class, the key is absent."""
        return {name: value for name, value in told.items() if name != "by_class" or value}


class ExplainedOut(Schema):
    """How SHAP values came about; 0 background rows where an exact explainer needs none."""

    explainer = fields.String(required=True)
    output = fields.String(required=True)
    rows = fields.Integer(required=True)
    background_rows = fields.Integer(required=True)


class FeatureImportanceOut(OfRun):
    """``explained`` comes with the method ``shap`` alone."""

    method = fields.String(required=True)
    features = fields.List(fields.Nested(FeatureShareOut), required=True)
    explained = fields.Nested(ExplainedOut)

    @post_dump
    def leave_out(self, told: dict[str, Any], **_: Any) -> dict[str, Any]:
        """For the other methods the key is absent."""
        return {name: value for name, value in told.items() if name != "explained" or value is not None}


class LogLineOut(Schema):
    line = fields.Integer(required=True)
    level = fields.String(required=True)
    message = fields.String(required=True)
    timestamp = Time(required=True)


class TrainingLogsOut(OfRun):
    total_lines = fields.Integer(required=True)
    lines = fields.List(fields.Nested(LogLineOut), required=True)


class StagesOut(Schema):
    """Seconds of each phase, null for those not reached."""

    data_validation = fields.Float(required=True, allow_none=True)
    preprocessing = fields.Float(required=True, allow_none=True)
    algorithm_search = fields.Float(required=True, allow_none=True)
    evaluation = fields.Float(required=True, allow_none=True)
    artifact_upload = fields.Float(required=True, allow_none=True)

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        """A phase that was not reached is null, not left out."""
        return super().get_attribute(obj, attr, None)


class ResourcesOut(Schema):
    peak_cpu_percent = fields.Float(required=True, allow_none=True)
    peak_memory_mb = fields.Float(required=True, allow_none=True)
    worker_type = fields.String(required=True, allow_none=True)


class TrainingDetailsOut(Schema):
    model_id = fields.String(required=True)
    run_id = fields.String(required=True)
    status = fields.String(required=True)
    started_at = Time(required=True, allow_none=True)
    completed_at = Time(required=True, allow_none=True)
    duration_seconds = fields.Float(required=True, allow_none=True)
    pipeline_stages = fields.Nested(StagesOut, required=True, attribute="stage_seconds")
    resource_usage = fields.Nested(ResourcesOut, required=True)
    dataset_id = fields.String(required=True, allow_none=True)
    dataset_rows_used = fields.Integer(required=True, allow_none=True, attribute="dataset_rows")
    final_algorithm = fields.String(required=True, allow_none=True, attribute="algorithm")
    version_created = fields.String(required=True, allow_none=True, attribute="version_produced")

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        """A run carries the figures of ``resource_usage`` itself."""
        return obj if attr == "resource_usage" else super().get_attribute(obj, attr, default)


class TicketBody(Schema):
    example: ClassVar[dict[str, Any]] = {"model_id": "mdl-00c0ffee"}

    model_id = fields.String()
    run_id = fields.String()


class TicketOut(Schema):
    ticket = fields.String(required=True)
    url = fields.String(required=True)
    expires_in = fields.Integer(required=True)
    expires_at = Time(required=True)
