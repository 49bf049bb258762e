"""The worker's side of batch predictions, and the process of one."""

from studio.batch_predictions.jobs.dispatcher import BatchDispatcher
from studio.batch_predictions.jobs.predicting import predict_dataset

__all__ = ["BatchDispatcher", "predict_dataset"]
