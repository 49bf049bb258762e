"""Log lines as JSON, one object each, on standard error."""

import logging
import sys
from contextvars import ContextVar

from pythonjsonlogger.json import JsonFormatter

request_id: ContextVar[str] = ContextVar("request_id", default="")  # of the call being answered


def log_as_json(level: str) -> None:
    """Send every log line of this process to standard error, one JSON object each."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter(
            "{asctime}{levelname}{name}{message}",
            style="{",
            rename_fields={"asctime": "timestamp", "levelname": "level", "name": "logger"},
        )
    )
    handler.addFilter(_name_call)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("alembic", "mlflow", "botocore", "urllib3", "matplotlib"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _name_call(record: logging.LogRecord) -> bool:
    """Have a line say which call it was written for."""
    if request_id.get() and not hasattr(record, "request_id"):
        record.request_id = request_id.get()
    return True
