"""What versions can be asked."""

from studio.predictions.service.trying import Prediction, try_model

__all__ = ["Prediction", "try_model"]
