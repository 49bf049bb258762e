"""JSON of the training configuration, which the rooms of models, settings and training all take or answer."""

from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from studio.domain.model_config import CUSTOM_DEFAULTS
from studio.web.fields import StrictBoolean, StrictInteger, StrictNumber, choice

ABOVE_ZERO = validate.Range(min=0, min_inclusive=False, error="must be above 0")
SHARE = validate.Range(min=0, max=1, min_inclusive=False, max_inclusive=False, error="must be above 0 and below 1")
INSTANCE_TYPES = ("cpu.standard", "cpu.highmem", "gpu.xlarge", "gpu.2xlarge")
RUNTIMES = ("python3.10", "python3.11", "python3.12")


def _between(low: int, high: int) -> validate.Range:
    return validate.Range(min=low, max=high, error=f"must be {low} to {high}")


def _column(**kwargs: Any) -> fields.String:
    return fields.String(validate=validate.Length(min=1, max=1000), **kwargs)


class PreprocessingBody(Schema):
    handle_missing = choice(["auto", "mean", "median", "most_frequent", "constant", "drop"])
    scale_features = StrictBoolean()
    encode_categories = choice(["auto", "onehot", "ordinal", "target"])
    max_categories = StrictInteger(validate=_between(2, 1000))


class ValidationBody(Schema):
    test_size = StrictNumber(validate=SHARE)
    validation_size = StrictNumber(validate=SHARE)
    cv_folds = StrictInteger(validate=_between(2, 20))
    stratify = StrictBoolean()
    split = choice(["random", "time", "group"])
    time_column = _column(allow_none=True)
    group_column = _column(allow_none=True)
    random_state = StrictInteger(validate=_between(0, 4294967295))

    @validates_schema
    def check_sizes(self, data: dict[str, Any], **kwargs: Any) -> None:
        """Something must be left to train on."""
        if data.get("test_size", 0.2) + data.get("validation_size", 0.2) >= 1:
            raise ValidationError("test_size and validation_size together must be below 1", "test_size")


class SearchBody(Schema):
    metric = fields.String(allow_none=True)
    max_trials = StrictInteger(allow_none=True, validate=_between(1, 10000))
    time_budget_seconds = StrictInteger(allow_none=True, validate=_between(1, 86400))
    parallel_trials = StrictInteger(allow_none=True, validate=_between(1, 64))
    sampler = choice(["tpe", "random", "cmaes", "gp"])
    pruner = choice(["hyperband", "median", "none"])
    ensemble = StrictBoolean()
    max_predict_latency_ms = StrictNumber(allow_none=True, validate=ABOVE_ZERO)
    max_model_mb = StrictNumber(allow_none=True, validate=ABOVE_ZERO)


class ConfigBody(Schema):
    """Any subset of a configuration."""

    example: ClassVar[dict[str, Any]] = {
        "algorithm": "lightgbm",
        "target_column": "late",
        "feature_columns": ["distance_km", "weight_kg", "carrier"],
        "preprocessing": {"handle_missing": "median"},
        "search": {"max_trials": 30},
    }

    algorithm = fields.String(validate=validate.Length(min=1, max=100))
    target_column = _column(allow_none=True)
    feature_columns = fields.List(_column(), validate=validate.Length(max=100_000))
    hyperparameters = fields.Dict(keys=fields.String())
    preprocessing = fields.Nested(PreprocessingBody)
    validation = fields.Nested(ValidationBody)
    search = fields.Nested(SearchBody)
    imbalance = choice(["auto", "none", "class_weight"])
    compute_shap = StrictBoolean()
    export_onnx = StrictBoolean()
    keep_best_on_timeout = StrictBoolean()
    time_column = _column(allow_none=True)
    horizon = StrictInteger(allow_none=True, validate=_between(1, 1000))
    frequency = fields.String(allow_none=True, validate=validate.Length(min=1, max=20))
    entry_point = fields.String(allow_none=True, validate=validate.Length(min=1, max=255))
    runtime_environment = choice(RUNTIMES)
    resource_profile = choice(INSTANCE_TYPES)
    requirements_file = fields.String(allow_none=True, validate=validate.Length(min=1, max=255))

    @post_load
    def drop_repeats(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """A feature named twice counts once."""
        if data.get("feature_columns"):  # null in a change takes the key away
            data["feature_columns"] = list(dict.fromkeys(data["feature_columns"]))
        return data


class ConfigChanges(ConfigBody):
    """A shallow merge into a configuration: ``null`` removes the key."""

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        """Every key may be removed."""
        field_obj.allow_none = True


class WholeOut(Schema):
    """An answer lacks no key, but those that only custom models have."""

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        """Describe it so."""
        field_obj.required = field_name not in CUSTOM_DEFAULTS


class PreprocessingOut(WholeOut, PreprocessingBody):
    pass


class ValidationOut(WholeOut, ValidationBody):
    pass


class SearchOut(WholeOut, SearchBody):
    pass


class ConfigOut(WholeOut, ConfigBody):
    """The effective configuration."""

    preprocessing = fields.Nested(PreprocessingOut)
    validation = fields.Nested(ValidationOut)
    search = fields.Nested(SearchOut)
