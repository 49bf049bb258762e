"""What can be done with batch predictions."""

from studio.batch_predictions.service.reading import get_batch, list_batches
from studio.batch_predictions.service.requests import start_batch

__all__ = ["get_batch", "list_batches", "start_batch"]
