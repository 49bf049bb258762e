"""What run processes do in tests of the dispatcher, each in place of a training."""

import os
import time
from pathlib import Path

import numpy as np

from studio.config import Config
from tests.backends.process_stories import say


def work_on(config: Config, **_: object) -> None:
    """Say which process this is, and never come to an end."""
    say(str(config.data_folder / "pipe"), os.getpid())
    time.sleep(600)


def take_memory(config: Config, **_: object) -> None:
    """Have a child take 200 MB and let go of them again, each when told to."""
    pipe, go = (str(config.data_folder / name) for name in ("pipe", "go"))
    say(pipe, "begun")
    Path(go).read_text()
    child = os.fork()
    if child == 0:
        held = np.ones(200 << 20, dtype=np.uint8)
        say(pipe, len(held))
        Path(go).read_text()
        os._exit(0)
    os.waitpid(child, 0)
