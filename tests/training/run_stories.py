"""What run processes do in tests of the dispatcher, each in place of a training."""

import os
import time

from studio.config import Config
from tests.backends.process_stories import say


def work_on(config: Config, **_: object) -> None:
    """Say which process this is, and never come to an end."""
    say(str(config.data_folder / "pipe"), os.getpid())
    time.sleep(600)
