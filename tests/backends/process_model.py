"""A model that says which process it is in, without any library."""

import os


class Process:
    """Predicts the id of its process."""

    def predict(self, frame):
        return [os.getpid()] * len(frame)


def load_process():
    return Process()
