"""What the older addresses do, one file per part."""

from studio.legacy.service.messages import MessageReader
from studio.legacy.service.starts import Start, may_use, start_from_parquet

__all__ = ["MessageReader", "Start", "may_use", "start_from_parquet"]
