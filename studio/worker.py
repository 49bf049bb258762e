"""The worker's entry: settings first, then everything that reads them while it is imported."""

import gc
import importlib

from studio.process import begin


def main() -> None:
    """Work until told to stop."""
    config = begin("worker")
    gc.disable()  # looking for garbage among imports takes a tenth of the start
    duties = importlib.import_module("studio.duties")
    gc.enable()
    duties.work(config)


if __name__ == "__main__":
    main()
