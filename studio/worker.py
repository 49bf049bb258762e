"""The worker's entry: settings first, then everything that reads them while it is imported."""

import importlib

from studio.process import begin


def main() -> None:
    """Work until told to stop."""
    config = begin("worker")
    importlib.import_module("studio.duties").work(config)


if __name__ == "__main__":
    main()
