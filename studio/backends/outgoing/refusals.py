"""Why something could not be sent."""


class NotSent(Exception):
    """It was not taken.

    Attributes:
        is_final: True when trying again cannot help.
    """

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        super().__init__(reason)
        self.is_final = is_final
