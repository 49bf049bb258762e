"""The spans of time that overviews can cover, each ending now."""

from datetime import timedelta
from typing import Final

PERIODS: Final = {
    "1d": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
}
