"""What the counter page keeps in the registry."""


class Tally:
    """Counts visits."""

    def __init__(self) -> None:
        self.value = 0
