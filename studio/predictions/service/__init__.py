"""What versions can be asked."""

from studio.predictions.service.asking import Asked, find_asked
from studio.predictions.service.explaining import Explanation, explain_rows
from studio.predictions.service.file_forms import CSV, PARQUET, read_csv, read_parquet, read_texts
from studio.predictions.service.input_schema import Fault, Given, GivenColumns, GivenRows, InputSchema, Row
from studio.predictions.service.json_forms import check_row_count, read_document
from studio.predictions.service.predicting import Predicted, find_schema, predict_rows
from studio.predictions.service.trying import Prediction, try_model

__all__ = [
    "CSV",
    "PARQUET",
    "Asked",
    "Explanation",
    "Fault",
    "Given",
    "GivenColumns",
    "GivenRows",
    "InputSchema",
    "Predicted",
    "Prediction",
    "Row",
    "check_row_count",
    "explain_rows",
    "find_asked",
    "find_schema",
    "predict_rows",
    "read_csv",
    "read_document",
    "read_parquet",
    "read_texts",
    "try_model",
]
