"""What versions can be asked."""

from studio.predictions.service.explaining import Explanation, explain_rows
from studio.predictions.service.trying import Prediction, try_model

__all__ = ["Explanation", "Prediction", "explain_rows", "try_model"]
