"""What holds of all values of an Arrow array, or of any."""

import pyarrow as pa
import pyarrow.compute as pc


def is_any(mask: pa.Array) -> bool:
    """True where something is true; null does not count."""
    return bool(pc.any(mask).as_py())


def are_all(mask: pa.Array) -> bool:
    """True where nothing is false; null does not count."""
    return pc.all(mask).as_py() is not False
