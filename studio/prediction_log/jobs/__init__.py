"""What the worker does for the prediction log."""

from studio.prediction_log.jobs.gathering import gather_segments

__all__ = ["gather_segments"]
