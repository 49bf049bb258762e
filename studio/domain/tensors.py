"""Words of the Open Inference Protocol: types of the values of a tensor, and the extension that is not spoken here."""

from typing import Final

WHOLE: Final = {f"{sign}INT{bits}": (sign, bits) for sign in ("", "U") for bits in (8, 16, 32, 64)}
DATATYPES: Final = ("BOOL", *WHOLE, "FP32", "FP64", "BYTES")
BINARY: Final = ("binary_data_size", "binary_data", "binary_data_output")
NO_BINARY: Final = "the binary data extension is not spoken here; send and take the data as JSON"
